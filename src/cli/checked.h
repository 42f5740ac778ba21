/* A configuration read the way loader reads it, in loader's jail, for `check` and `why`. */
#ifndef SP_CLI_CHECKED_H
#define SP_CLI_CHECKED_H

#include "image/image.h"

#define SP_CONFIG_DEFAULT "sallyport.yaml"

/* Enters the jail, reads, prints the findings on standard error (`warnings`: also when
 * there is no error).  From here on this process opens nothing but files
 * for reading.  Not SP_OK: an error was printed.  On success `b` owns the memory of `img` (sp_imgb_free). */
SP_MUST enum sp_status sp_checked_open(const char *path, bool warnings, struct sp_imgb *b, struct sp_image *img);
/* The same for a text that is to become the file at `path`: what it names is read from beside that path.  For a process
 * that is jailed already (sp_jailed), after sp_crypto_init().  All findings are printed. */
SP_MUST enum sp_status sp_checked_text(const char *path, sp_slice text);
/* All of it to a descriptor; false: it could not be written. */
SP_MUST bool sp_checked_print(int fd, const struct sp_out *o);
/* A message of a command to standard error. */
void sp_checked_say(const char *command, const char *text);

#endif
