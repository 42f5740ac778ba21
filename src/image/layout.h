/* How an image begins; private to this folder. */
#ifndef SP_IMAGE_LAYOUT_H
#define SP_IMAGE_LAYOUT_H

#include <stdint.h>

enum { SP_IMAGE_ALIGN = 8 };		/* of all arrays */

struct sp_image_start {
	uint32_t magic;
	uint32_t head;			/* offset of struct sp_img_head */
	uint64_t size;			/* of the whole image */
};

#endif
