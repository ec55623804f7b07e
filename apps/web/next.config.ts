import path from "node:path";
import type { NextConfig } from "next";

const root = path.join(import.meta.dirname, "../..");

/** Sent with every answer; the page loads nothing from elsewhere and is not to be framed. */
const SECURITY_HEADERS = [
  { key: "X-Content-Type-Options", value: "nosniff" },
  { key: "X-Frame-Options", value: "DENY" },
  { key: "Referrer-Policy", value: "same-origin" },
];

const config: NextConfig = {
  output: process.env.STANDALONE ? "standalone" : undefined,
  outputFileTracingRoot: root,
  turbopack: { root },
  transpilePackages: [
    "@fmlab/api",
    "@fmlab/db",
    "@fmlab/experiment",
    "@fmlab/cnc-brain",
    "@fmlab/moe-offload",
    "@fmlab/registry",
    "@fmlab/shard-chain",
    "@fmlab/sim",
    "@fmlab/stats",
  ],
  serverExternalPackages: ["pg", "@prisma/adapter-pg", "@prisma/client", "better-auth"],
  typedRoutes: true,
  poweredByHeader: false,
  devIndicators: false,
  headers: async () => [{ source: "/:path*", headers: SECURITY_HEADERS }],
};

export default config;
