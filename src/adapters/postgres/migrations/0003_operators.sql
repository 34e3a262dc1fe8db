-- What operators see of attempts, and what is left of a video that they deleted.

alter table attempt
  add column stderr text,
  add column notes  jsonb not null default '[]';

-- Attempts that ended with their task's cancellation are what a heartbeat asks for.
drop index attempt_taken;
create index attempt_taken on attempt (worker_id) where outcome = 'cancelled';

-- The rows of a deleted video are gone at once, its files a moment later: until then this is all that knows of them.
create table removed_video (
  id            integer     primary key,
  slug          text        not null,
  extension     text        not null,
  publications  uuid[]      not null,
  attempts      uuid[]      not null,
  removed_at    timestamptz not null default now(),
  files_gone    boolean     not null default false
);

create index removed_video_by_slug on removed_video (slug);
create index removed_video_unfinished on removed_video (id) where not files_gone;

-- Leases that ended with their video: their workers are told so, as those of a cancelled job are.
create table removed_lease (
  lease_id   uuid    primary key,
  video_id   integer not null references removed_video on delete cascade,
  job_id     integer not null,
  worker_id  uuid
);

create index removed_lease_of_worker on removed_lease (worker_id);
create index removed_lease_of_video on removed_lease (video_id);
create index job_by_end on job (ended_at) where ended_at is not null;
