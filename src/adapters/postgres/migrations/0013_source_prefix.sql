-- Of how much of the source a file was made at most, and what that was: of one that was still arriving, nothing else vouches.
alter table attempt_file
  add column prefix_bytes   bigint,
  add column prefix_sha256  text,
  add check (prefix_bytes > 0),
  add check ((prefix_bytes is null) = (prefix_sha256 is null));
