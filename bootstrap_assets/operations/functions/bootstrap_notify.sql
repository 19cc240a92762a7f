CREATE OR REPLACE FUNCTION bootstrap_notify() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_notify('bootstrap_events', NEW.id || ' ' || NEW.name);
    RETURN NULL;
END $$;
COMMENT ON FUNCTION bootstrap_notify IS 'Tell those who LISTEN bootstrap_events of a new event: its id and name.';
