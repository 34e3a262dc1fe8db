-- For people who follow jobs: when a job last changed, and a hint to look. Progress and claims are too many to announce
-- here, each in its transaction: notifying commits queue up behind one another.
alter table job add column changed_at timestamptz not null default now();
create index job_by_change on job (changed_at);

create function job_changing() returns trigger language plpgsql as $$
begin
  new.changed_at := clock_timestamp();
  return new;
end
$$;

create trigger job_changing before update on job
  for each row execute function job_changing();

create function announce_job() returns trigger language plpgsql as $$
begin
  perform pg_notify('vlog_job', coalesce(new.id, old.id)::text);
  return null;
end
$$;

create trigger job_changed after update on job
  for each row when (old.state <> new.state or old.priority <> new.priority) execute function announce_job();

create trigger job_deleted after delete on job
  for each row execute function announce_job();

-- One for all that a statement adds: nobody follows a job before it is there, so that its number does not matter.
create function announce_jobs() returns trigger language plpgsql as $$
begin
  perform pg_notify('vlog_job', '0');
  return null;
end
$$;

create trigger jobs_added after insert on job
  for each statement execute function announce_jobs();

create or replace function announce_task() returns trigger language plpgsql as $$
begin
  perform pg_notify('vlog_task', '');
  if tg_op = 'UPDATE' then
    perform pg_notify('vlog_job', new.job_id::text);
  end if;
  return null;
end
$$;
