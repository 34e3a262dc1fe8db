-- The trace that an upload began, for those who work on its job later; and which attempts have been told of in it.
alter table job add column traceparent text;
alter table job add column tracestate text;
-- From when on anybody could have taken the task.
alter table attempt add column claimable_at timestamptz;
alter table attempt add column traced boolean not null default false;

-- Attempts that are over and not told of, in the order of their end.
create index attempt_untraced on attempt (ended_at) where ended_at is not null and not traced;
