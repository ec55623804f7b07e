-- What the schema language cannot say: rows that must not change.

-- A config revision is immutable. Only its links may be emptied, when what they point to is deleted.
CREATE FUNCTION refuse_config_revision_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW."id", NEW."experimentConfigId", NEW."number", NEW."config", NEW."message", NEW."createdAt")
     IS DISTINCT FROM
     (OLD."id", OLD."experimentConfigId", OLD."number", OLD."config", OLD."message", OLD."createdAt")
     OR (NEW."parentId" IS NOT NULL AND NEW."parentId" IS DISTINCT FROM OLD."parentId")
     OR (NEW."authorId" IS NOT NULL AND NEW."authorId" IS DISTINCT FROM OLD."authorId")
  THEN
    RAISE EXCEPTION 'config revision % is immutable: save a new revision instead', OLD."id"
      USING ERRCODE = 'FM001';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER config_revision_immutable BEFORE UPDATE ON "config_revision"
  FOR EACH ROW EXECUTE FUNCTION refuse_config_revision_update();

-- A sealed chunk never changes; an open one may only be replaced by a longer version of itself.
-- (Float comparison here treats NaN, a gap, as equal to itself.)
CREATE FUNCTION check_metric_chunk_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD."sealed" THEN
    RAISE EXCEPTION 'metric chunk % of % is sealed and cannot change', OLD."chunkNo", OLD."key"
      USING ERRCODE = 'FM001';
  END IF;
  IF NEW."n" < OLD."n"
     OR NEW."steps"[1:OLD."n"] IS DISTINCT FROM OLD."steps"
     OR NEW."values"[1:OLD."n"] IS DISTINCT FROM OLD."values"
     OR NEW."timesMs"[1:OLD."n"] IS DISTINCT FROM OLD."timesMs"
  THEN
    RAISE EXCEPTION 'metric chunk % of % may only grow: its first % points must stay as they are',
      OLD."chunkNo", OLD."key", OLD."n" USING ERRCODE = 'FM001';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER metric_chunk_append_only BEFORE UPDATE ON "metric_chunk"
  FOR EACH ROW EXECUTE FUNCTION check_metric_chunk_update();

CREATE FUNCTION check_log_chunk_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF OLD."sealed" THEN
    RAISE EXCEPTION 'log chunk % is sealed and cannot change', OLD."chunkNo"
      USING ERRCODE = 'FM001';
  END IF;
  IF NEW."n" < OLD."n" OR OLD."lines" IS DISTINCT FROM (
    SELECT jsonb_agg(line ORDER BY no)
    FROM jsonb_array_elements(NEW."lines") WITH ORDINALITY AS l(line, no) WHERE no <= OLD."n"
  ) THEN
    RAISE EXCEPTION 'log chunk % may only grow: its first % lines must stay as they are',
      OLD."chunkNo", OLD."n" USING ERRCODE = 'FM001';
  END IF;
  RETURN NEW;
END $$;

CREATE TRIGGER log_chunk_append_only BEFORE UPDATE ON "log_chunk"
  FOR EACH ROW EXECUTE FUNCTION check_log_chunk_update();

-- Lengths that readers rely on.
ALTER TABLE "metric_chunk" ADD CONSTRAINT "metric_chunk_lengths" CHECK (
  "n" >= 1 AND cardinality("steps") = "n" AND cardinality("values") = "n"
  AND cardinality("timesMs") = "n" AND "gaps" BETWEEN 0 AND "n");
ALTER TABLE "log_chunk" ADD CONSTRAINT "log_chunk_lengths" CHECK (
  "n" >= 1 AND jsonb_array_length("lines") = "n");
