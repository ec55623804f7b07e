import type { Metadata } from "next";
import { ExperimentsPage } from "@/features/launch/experiments-page.tsx";

export const metadata: Metadata = { title: "Experiments" };

export default async function Page({ params }: { params: Promise<{ projectId: string }> }) {
  return <ExperimentsPage projectId={(await params).projectId} />;
}
