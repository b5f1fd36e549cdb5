/** The audience that Postern's own services demand of a user's access token. */
export function posternAudience(issuer: string): string {
  return `${issuer}/postern`;
}
