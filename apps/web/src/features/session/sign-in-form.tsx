"use client";

import { zodResolver } from "@hookform/resolvers/zod";
import { useState } from "react";
import { type FieldErrors, useForm } from "react-hook-form";
import { z } from "zod";
import { Button } from "@/ui/button.tsx";
import { Input } from "@/ui/fields.tsx";
import { Notice } from "@/ui/status.tsx";
import { AuthError, signIn, signUp } from "./auth-requests.ts";

const credentials = z.object({
  name: z.string().trim(),
  email: z.email("Enter an email address, e.g. ada@example.org"),
  password: z.string().min(8, "A password has at least 8 characters"),
});
const newAccount = credentials.extend({ name: z.string().trim().min(1, "Enter your name") });
type Values = z.infer<typeof credentials>;

/** Signs in with email and password, or makes an account. */
export function SignInForm({ onDone }: { onDone: () => void }) {
  const [isNew, setIsNew] = useState(false);
  const [failure, setFailure] = useState<string | null>(null);
  const form = useForm<Values>({
    resolver: zodResolver(isNew ? newAccount : credentials),
    defaultValues: { name: "", email: "", password: "" },
  });
  const { errors, isSubmitting } = form.formState;
  const submit = form.handleSubmit(async ({ name, email, password }) => {
    setFailure(null);
    try {
      await (isNew ? signUp({ name, email, password }) : signIn({ email, password }));
      onDone();
    } catch (error) {
      if (!(error instanceof AuthError)) throw error;
      setFailure(error.message);
    }
  });
  return (
    <form onSubmit={(event) => void submit(event)} noValidate className="flex flex-col gap-3">
      {isNew && (
        <LabelledInput name="name" label="Name" autoComplete="name" {...{ form, errors }} />
      )}
      <LabelledInput
        name="email"
        label="Email"
        type="email"
        autoComplete="username"
        {...{ form, errors }}
      />
      <LabelledInput
        name="password"
        label="Password"
        type="password"
        autoComplete={isNew ? "new-password" : "current-password"}
        {...{ form, errors }}
      />
      {failure !== null && (
        <div role="alert">
          <Notice tone="bad" title={isNew ? "No account was made" : "You are not signed in"}>
            {failure}
          </Notice>
        </div>
      )}
      <Button type="submit" variant="outline" size="large" disabled={isSubmitting}>
        {isNew ? "Create account" : "Sign in"}
      </Button>
      <Button variant="quiet" onClick={() => setIsNew(!isNew)}>
        {isNew ? "I have an account: sign in" : "New here? Create an account"}
      </Button>
    </form>
  );
}

function LabelledInput({
  form,
  errors,
  name,
  label,
  ...rest
}: {
  form: ReturnType<typeof useForm<Values>>;
  errors: FieldErrors<Values>;
  name: keyof Values;
  label: string;
} & Omit<React.ComponentProps<"input">, "form" | "name">) {
  const error = errors[name]?.message;
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={`sign-in-${name}`} className="font-medium">
        {label}
      </label>
      <Input
        id={`sign-in-${name}`}
        aria-invalid={error !== undefined}
        aria-describedby={error === undefined ? undefined : `sign-in-${name}-error`}
        {...form.register(name)}
        {...rest}
      />
      {error !== undefined && (
        <p id={`sign-in-${name}-error`} className="text-xs text-bad">
          {error}
        </p>
      )}
    </div>
  );
}
