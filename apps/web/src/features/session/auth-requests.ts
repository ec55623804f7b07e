/** What the server said about a sign-in, as text for people. */
export class AuthError extends Error {}

async function post(path: string, body: Record<string, unknown>): Promise<void> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  }).catch((cause: unknown) => {
    throw new AuthError("The server does not answer. Check that it is running.", { cause });
  });
  if (response.ok) return;
  const answer: unknown = await response.json().catch(() => null);
  const told =
    typeof answer === "object" && answer !== null && "message" in answer ? answer.message : null;
  throw new AuthError(
    typeof told === "string" && told !== "" ? told : `The server answered ${response.status}.`,
  );
}

/** @throws AuthError with what the server said */
export const signIn = (values: { email: string; password: string }): Promise<void> =>
  post("/api/auth/sign-in/email", values);

/** @throws AuthError with what the server said */
export const signUp = (values: { name: string; email: string; password: string }): Promise<void> =>
  post("/api/auth/sign-up/email", values);

/** Signs the demo user in; the server offers it in local mode only. @throws AuthError */
export const signInAsDemo = (): Promise<void> => post("/api/demo", {});

/** @throws AuthError with what the server said */
export const signOut = (): Promise<void> => post("/api/auth/sign-out", {});
