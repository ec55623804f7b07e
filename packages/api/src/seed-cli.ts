import { createDb } from "@fmlab/db";
import { seedLocal } from "./seed.ts";

// Reads DATABASE_URL, AUTH_SECRET, FMLAB_HOME and FMLAB_URL; called by the start script after
// migrating.
const setting = (name: string): string => {
  const value = process.env[name];
  if (value) return value;
  console.error(`seed: ${name} is not set; \`npm start\` sets it`);
  process.exit(1);
};

const db = createDb(setting("DATABASE_URL"), { poolSize: 2 });
try {
  await seedLocal(db, {
    home: setting("FMLAB_HOME"),
    url: setting("FMLAB_URL"),
    secret: setting("AUTH_SECRET"),
  });
} finally {
  await db.$disconnect();
}
