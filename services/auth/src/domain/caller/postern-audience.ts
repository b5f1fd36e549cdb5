/** The audience that Postern's own services require in a user's access token. */
export function posternAudience(issuer: string): string {
  return `${issuer}/postern`;
}
