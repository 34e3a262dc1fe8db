-- How many workers were lost of late is asked with every look at the farm's figures.
create index attempt_expired on attempt (ended_at) where outcome = 'expired';
