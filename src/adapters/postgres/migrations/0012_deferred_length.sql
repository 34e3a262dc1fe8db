-- How long an upload is may be said later, by whoever does not know it at the beginning. Until then it is null.
alter table upload
  alter column bytes drop not null,
  add check (video_id is null or bytes is not null);
