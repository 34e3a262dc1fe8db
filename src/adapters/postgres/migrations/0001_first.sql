-- The queue and the truth. Times that matter are the database's own.

create table worker (
  id              uuid        primary key,
  name            text        not null,
  type            text        not null check (type in ('local', 'remote')),
  status          text        not null check (status in ('active', 'idle', 'busy', 'offline', 'disabled')),
  registered_at   timestamptz not null default now(),
  last_heartbeat  timestamptz,
  capabilities    jsonb,
  metadata        jsonb
);

-- A key is found by its id, never by its secret, and of the secret only a digest is kept.
create table worker_key (
  id             text        primary key,
  worker_id      uuid        not null references worker on delete cascade,
  secret_sha256  text        not null,
  created_at     timestamptz not null default now(),
  expires_at     timestamptz,
  revoked_at     timestamptz
);

create index worker_key_of_worker on worker_key (worker_id);

create table video (
  id                integer          generated always as identity primary key,
  slug              text             not null unique,
  title             text             not null,
  source_file_name  text             not null,
  source_extension  text             not null,
  source_bytes      bigint           not null,
  source_sha256     text             not null,
  duration          double precision,
  width             integer,
  height            integer,
  published         uuid,
  published_at      timestamptz,
  created_at        timestamptz      not null default now()
);

create index video_by_source on video (source_sha256);

create table job (
  id          integer     generated always as identity primary key,
  video_id    integer     not null references video on delete cascade,
  state       text        not null default 'active' check (state in ('active', 'done', 'failed', 'cancelled')),
  priority    smallint    not null default 0,
  published   uuid,
  last_error  text,
  created_at  timestamptz not null default now(),
  ended_at    timestamptz,
  check ((state = 'active') = (ended_at is null)),
  check ((state = 'done') = (published is not null))
);

create index job_of_video on job (video_id);
create unique index job_one_active on job (video_id) where state = 'active';

-- One row holds task and lease, so that one conditional statement can test and change both.
create table task (
  id                integer     generated always as identity primary key,
  job_id            integer     not null references job on delete cascade,
  kind              text        not null check (kind in ('whole', 'range', 'audio')),
  first_frame       integer,
  frame_count       integer,
  state             text        not null default 'queued' check (state in ('queued', 'leased', 'done', 'failed', 'cancelled')),
  priority          smallint    not null default 0,
  run_at            timestamptz not null default now(),
  attempt           integer     not null default 0,
  max_attempts      integer     not null default 5,
  lease_id          uuid,
  lease_seconds     integer,
  lease_expires_at  timestamptz,
  worker_id         uuid        references worker on delete set null,
  step              text,
  percent           smallint    not null default 0 check (percent between 0 and 100),
  renditions        jsonb       not null default '[]',
  done_by           uuid,
  languages         jsonb       not null default '{}',
  last_error        text,
  check ((kind = 'range') = (first_frame is not null and frame_count is not null)),
  check ((state = 'leased') = (lease_id is not null and lease_expires_at is not null and lease_seconds is not null)),
  check ((state = 'done') = (done_by is not null)),
  check (attempt between 0 and max_attempts)
) with (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500);

create index task_of_job on task (job_id);
-- Exactly the order of a claim, and nothing that is finished: as small as the backlog. There is no index on the
-- expiry, because renewals would then have to maintain it.
create index task_claim on task (priority desc, run_at, id) where state = 'queued';
create index task_leased on task (id) where state = 'leased';

create table attempt (
  lease_id    uuid        primary key,
  task_id     integer     not null references task on delete cascade,
  attempt     integer     not null,
  worker_id   uuid        references worker on delete set null,
  claimed_at  timestamptz not null,
  ended_at    timestamptz,
  outcome     text        check (outcome in ('done', 'failed', 'released', 'expired', 'cancelled')),
  error       text,
  check ((ended_at is null) = (outcome is null))
);

create index attempt_of_task on attempt (task_id);

create table attempt_file (
  lease_id       uuid        not null references attempt on delete cascade,
  rendition      text        not null,
  name           text        not null,
  bytes          bigint      not null,
  sha256         text        not null,
  facts          jsonb       not null,
  registered_at  timestamptz not null default now(),
  primary key (lease_id, rendition, name)
);

create table publication (
  id            uuid        primary key,
  video_id      integer     not null references video on delete cascade,
  job_id        integer     not null references job on delete cascade,
  presentation  jsonb       not null,
  created_at    timestamptz not null default now()
);

create index publication_of_video on publication (video_id);

-- When the sweeper last ran: after an outage of the API it must give time before it takes away.
create table sweeper (
  only_one  boolean     primary key default true check (only_one),
  last_run  timestamptz not null default now()
);

insert into sweeper default values;
