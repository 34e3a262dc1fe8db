-- What workers of the older protocol upload: they name files by path, and may send one again to mend it.

create table delivered_file (
  lease_id      uuid        not null references attempt on delete cascade,
  path          text        not null,
  bytes         bigint      not null,
  sha256        text        not null,
  facts         jsonb       not null,
  delivered_at  timestamptz not null default now(),
  primary key (lease_id, path)
);

-- A hint for workers that wait in a claim. Losing it costs latency only.
create function announce_task() returns trigger language plpgsql as $$
begin
  perform pg_notify('vlog_task', '');
  return null;
end
$$;

create trigger task_inserted after insert on task
  for each row when (new.state = 'queued') execute function announce_task();

create trigger task_requeued after update of state on task
  for each row when (new.state = 'queued' and old.state <> 'queued') execute function announce_task();

-- Older clients know workers by number too.
alter table worker add column number integer generated always as identity unique;

-- A heartbeat asks what was taken from the worker meanwhile.
create index attempt_taken on attempt (worker_id) where ended_at is null or outcome = 'cancelled';
