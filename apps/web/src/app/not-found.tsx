import Link from "next/link";
import { EmptyState } from "@/ui/status.tsx";

export default function NotFound() {
  return (
    <main>
      <h1 className="sr-only">Page not found</h1>
      <EmptyState
        title="There is nothing at this address"
        action={
          <Link href="/" className="text-accent underline">
            Go to the start page
          </Link>
        }
      >
        The address may be mistyped, or what was here has been removed.
      </EmptyState>
    </main>
  );
}
