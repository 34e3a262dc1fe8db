-- Uploads that go on where they were cut. `received` bytes are durable in the file `arriving`; whoever has the token
-- `writer` may add to them until `writer_until`.
create table upload (
  id            uuid        primary key default gen_random_uuid(),
  bytes         bigint      not null check (bytes > 0),
  received      bigint      not null default 0 check (received between 0 and bytes),
  metadata      text        not null,
  fingerprint   text,
  arriving      uuid,
  writer        uuid        unique,
  writer_until  timestamptz,
  traceparent   text,
  tracestate    text,
  created_at    timestamptz not null default now(),
  expires_at    timestamptz not null,
  video_id      integer     references video on delete cascade,
  check ((writer is null) = (writer_until is null))
);

create index upload_by_fingerprint on upload (fingerprint) where video_id is null;
create index upload_of_video on upload (video_id) where video_id is not null;
