/* Modem lines for ptys of virtual boards: loaded into a program with LD_PRELOAD.
 *
 * The kernel refuses TIOCMGET and TIOCMSET on a pty. On one that belongs to a virtual board, this hands them to the
 * board over a socket named after the pty (hil/virtual/usb/serial.py); everything else goes to the kernel as it is.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char name_of_socket[] = "hil-virtual-lines";

/* A connection to the board whose pty `fd` is, or -1: no pty, or nobody's. */
static int to_board(int fd)
{
    char pty[64];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred owner;
    socklen_t size = sizeof owner;

    if (ttyname_r(fd, pty, sizeof pty) != 0 || strncmp(pty, "/dev/pts/", 9) != 0)
        return -1;
    int length = snprintf(address.sun_path + 1, sizeof address.sun_path - 1, "%s%s", name_of_socket, pty);
    int board = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (board < 0)
        return -1;
    size_t whole = offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)length;
    if (connect(board, (struct sockaddr *)&address, (socklen_t)whole) == 0 &&
        getsockopt(board, SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0 && (owner.uid == geteuid() || owner.uid == 0))
        return board;
    close(board);
    return -1;
}

enum { DONE = 0, GONE = -1, NOT_OURS = 1 };

/* One request; the lines as they are afterwards. GONE: the board has left the bus meanwhile. */
static int ask(int fd, char what, uint32_t lines, uint32_t *answer)
{
    unsigned char request[5] = {what, lines, lines >> 8, lines >> 16, lines >> 24}, told[4];
    int board = to_board(fd);
    if (board < 0)
        return NOT_OURS;
    int done = send(board, request, sizeof request, MSG_NOSIGNAL) == sizeof request &&
               recv(board, told, sizeof told, MSG_WAITALL) == sizeof told;
    close(board);
    if (done)
        *answer = told[0] | told[1] << 8 | told[2] << 16 | (uint32_t)told[3] << 24;
    return done ? DONE : GONE;
}

int ioctl(int fd, unsigned long request, ...)
{
    static int (*kernel)(int, unsigned long, ...);
    uint32_t now = 0, mask;
    int how;
    va_list rest;
    va_start(rest, request);
    void *given = va_arg(rest, void *);
    va_end(rest);
    if (!kernel)
        *(void **)&kernel = dlsym(RTLD_NEXT, "ioctl");
    if (request != TIOCMGET && request != TIOCMSET && request != TIOCMBIS && request != TIOCMBIC)
        return kernel(fd, request, given);
    how = ask(fd, 'G', 0, &now);
    if (how == NOT_OURS)
        return kernel(fd, request, given);
    if (how == DONE && request == TIOCMGET) {
        *(int *)given = (int)now;
    } else if (how == DONE) {
        mask = (uint32_t) * (int *)given;
        now = request == TIOCMSET ? mask : request == TIOCMBIS ? now | mask : now & ~mask;
        how = ask(fd, 'S', now, &now);
    }
    if (how == DONE)
        return 0;
    errno = EIO;
    return -1;
}
