"use client";

import { ThemeProvider } from "next-themes";
import type { ReactNode } from "react";
import { Toaster } from "sonner";
import { TRPCProviders } from "@/trpc/client.tsx";

/** What every page needs: theme, API client, messages. */
export function Providers({ children }: { children: ReactNode }) {
  return (
    <ThemeProvider attribute="class" defaultTheme="system" enableSystem disableTransitionOnChange>
      <TRPCProviders>{children}</TRPCProviders>
      <Toaster
        position="bottom-right"
        toastOptions={{
          style: {
            background: "var(--panel)",
            color: "var(--ink)",
            border: "1px solid var(--line)",
            fontSize: "13px",
          },
        }}
      />
    </ThemeProvider>
  );
}
