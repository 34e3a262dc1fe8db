/**
 * The invariants of the queue as one statement. Each part selects what must not be; a sound database gives no row. One
 * snapshot answers all of them, so that work in progress is no breach. Those that are about a single write (a stale
 * lease changes nothing, an expired one is not renewed) leave no trace to look for: the tests hold to them.
 */
export const audit = `
  select 'I1' as invariant, format('job %s is active and has no task that could end it', j.id) as problem
    from job j
   where j.state = 'active'
     and not exists (select from task t where t.job_id = j.id and t.state in ('queued', 'leased'))
  union all
  select 'I2', format('tasks %s share the lease %s', string_agg(t.id::text, ', ' order by t.id), t.lease_id)
    from task t
   where t.lease_id is not null
   group by t.lease_id
  having count(*) > 1
  union all
  select 'I2', format('task %s is leased by %s, which is no living attempt of it', t.id, t.lease_id)
    from task t
   where t.state = 'leased'
     and not exists (select from attempt a where a.lease_id = t.lease_id and a.task_id = t.id and a.ended_at is null)
  union all
  select 'I3', format('job %s is done, but its publication %s is not there', j.id, j.published)
    from job j
   where j.state = 'done'
     and not exists (select from publication p where p.id = j.published and p.job_id = j.id)
  union all
  select 'I3', format('video %s shows %s, which is no publication of it', v.id, v.published)
    from video v
   where v.published is not null
     and not exists (select from publication p where p.id = v.published and p.video_id = v.id)
  union all
  select 'I4', format('job %s is %s, and its task %s is %s', j.id, j.state, t.id, t.state)
    from job j
    join task t on t.job_id = j.id
   where j.state <> 'active' and t.state in ('queued', 'leased')
  union all
  select 'I5', format('task %s was done by %s, which is no finished attempt of it', t.id, t.done_by)
    from task t
   where t.done_by is not null
     and not exists (select from attempt a where a.lease_id = t.done_by and a.task_id = t.id and a.outcome = 'done')
  union all
  select 'I8', format('task %s is at attempt %s of %s', t.id, t.attempt, t.max_attempts)
    from task t
   where t.attempt > t.max_attempts
  union all
  select 'I10', format('attempts %s and %s of task %s overlap', a.lease_id, b.lease_id, a.task_id)
    from attempt a
    join attempt b on b.task_id = a.task_id and b.lease_id > a.lease_id
   where a.claimed_at < coalesce(b.ended_at, 'infinity')
     and b.claimed_at < coalesce(a.ended_at, 'infinity')`
