-- In which codec the output is wanted. A job that requires one is given only to workers that have it.
alter table job
  add column codec           text    check (codec in ('h264', 'hevc', 'av1')),
  add column codec_required  boolean not null default false,
  add check (codec is not null or not codec_required);

-- Copied to the task, because a claim looks at nothing else: the codec without which a worker is of no use, and whether
-- a worker without a GPU should leave it for a while to one that has it.
alter table task
  add column needs_codec  text,
  add column suits_gpu    boolean not null default false;
