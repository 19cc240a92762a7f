SELECT;  -- 0103 made the same function, of the same parameters
