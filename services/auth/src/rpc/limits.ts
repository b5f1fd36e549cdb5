/** The largest request message, compressed or not. */
export const maxMessageBytes = 64 * 1024;
