-- What a run's summary says of a metric at its end; a table shows this rather than the last point.
ALTER TABLE "metric_summary" ADD COLUMN "result" DOUBLE PRECISION;

UPDATE "metric_summary" s SET "result" = (r."summary" ->> s."key")::float8
FROM "run" r
WHERE r."id" = s."runId" AND jsonb_typeof(r."summary" -> s."key") = 'number';
