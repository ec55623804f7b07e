#!/usr/bin/env node
// The `fmlab` command: TypeScript sources run directly through tsx, so nothing has to be built
// first.
import { register } from "tsx/esm/api";

register();
await import("../src/cli/main.ts");
