-- Jobs end as often as tasks do: that is told by the API too, after the transaction, which then need not queue up.
drop trigger job_changed on job;
