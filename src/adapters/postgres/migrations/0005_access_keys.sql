-- Keys of people and programs beside the admin secret: `admin` may do what it may, `read` may only look.
create table access_key (
  id             text        primary key,
  name           text        not null,
  scope          text        not null check (scope in ('admin', 'read')),
  secret_sha256  text        not null,
  created_at     timestamptz not null default now(),
  expires_at     timestamptz,
  revoked_at     timestamptz
);
