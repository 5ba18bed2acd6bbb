/* Says something now and then, with words in it that want to be more than words. */
#include <stdio.h>
#include <unistd.h>

int main(void) {
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("<img src=x onerror=document.title='owned'><script>document.title='owned'</script>");
	puts("\033[1;31mred\033[0m \033]0;title\007and \007bell");
	fputs("on the other stream\n", stderr);
	for (int i = 0;; i++) {
		printf("line %d\n", i);
		for (volatile int n = 0; n < 2000000; n++)
			;
		usleep(200000);
	}
}
