/** Every character that RFC 9110 section 5.6.2 allows in a header name, letters and digits aside. */
const signs = [..."!#$%&'*+-.^_`|~"];

/**
 * Header names that CGI, WSGI, PHP and Rack may fold into the name of an identity header: they turn every other
 * character into `_`. The last ones are names that a later version of Postern may use.
 */
export const foldedIdentityNames: readonly string[] = [
  ...signs.filter((sign) => sign !== "-").map((sign) => `x${sign}postern${sign}roles`),
  ...signs.filter((sign) => sign !== "-").map((sign) => `X-Postern${sign}Roles`),
  ...["X_Postern-Subject", "x.POSTERN_subject", "X~Postern-Session", "x-postern_scope"],
  ...["X--Postern--Roles", "x-postern-email", "x.postern.name", "X-Postern-Roles-Too"],
];
