DROP TRIGGER bootstrap_events_notify ON bootstrap_events;
DROP FUNCTION bootstrap_notify;
DROP INDEX bootstrap_events_name;
DROP TABLE bootstrap_requests;
