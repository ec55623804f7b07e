/** The text of THIRD_PARTY.md. */
export function renderThirdParty(): string;
