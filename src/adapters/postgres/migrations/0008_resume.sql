-- Which encoder an attempt works with: a later one with the same goes on with what it uploaded. And whether it did so itself.
alter table attempt
  add column fingerprint  text,
  add column resumed      boolean not null default false;
