import type { Metadata } from "next";
import { Suspense } from "react";
import { OrganizationPage } from "@/features/organization/organization-page.tsx";
import { Loading } from "@/ui/status.tsx";

export const metadata: Metadata = { title: "Organisation" };

export default async function Page({ params }: { params: Promise<{ organizationId: string }> }) {
  return (
    <Suspense fallback={<Loading />}>
      <OrganizationPage organizationId={(await params).organizationId} />
    </Suspense>
  );
}
