-- Requests from other programs, and events that tell of them.

CREATE TABLE bootstrap_requests (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key           text NOT NULL,
    sources       text[] NOT NULL,
    force_refresh boolean NOT NULL DEFAULT false,
    priority      integer NOT NULL DEFAULT 0,
    requested_by  text NOT NULL DEFAULT '',
    status        text NOT NULL DEFAULT 'requested' CHECK (status IN (
                      'requested', 'running', 'completed', 'completed_with_failures', 'failed', 'cancelled')),
    attempt       integer NOT NULL DEFAULT 1,
    cancelled     boolean NOT NULL DEFAULT false,
    run_id        text,
    message       text,
    requested_at  timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    finished_at   timestamptz
);
-- Asking for the same thing while it is under way is one request.
CREATE UNIQUE INDEX bootstrap_requests_under_way ON bootstrap_requests (key) WHERE status IN ('requested', 'running');
COMMENT ON TABLE bootstrap_requests IS 'What other programs asked for. A sensor makes a run of each.';

CREATE INDEX bootstrap_events_name ON bootstrap_events (name, id);

CREATE FUNCTION bootstrap_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('bootstrap_events', NEW.id || ' ' || NEW.name);
    RETURN NULL;
END $$;
CREATE TRIGGER bootstrap_events_notify AFTER INSERT ON bootstrap_events
    FOR EACH ROW EXECUTE FUNCTION bootstrap_notify();
