-- What one GPU of a machine must have for the run: VRAM, compute capability, driver, name.
ALTER TABLE "run" ADD COLUMN "requiredGpu" JSONB;
