/* Preloaded into a process, it writes down who is asked for on the network: every name that is looked up, and every
 * address of another machine that is connected or sent to. One line each, into the file that WATCH_LOG names. All of them
 * fail, so that a test sends nothing whatever it watches; but for this machine by its own name or address, which Ray uses.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int note(const char *how, const char *whom) {
    const char *path = getenv("WATCH_LOG");
    int file = path ? open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -1;
    char line[600];
    int length = snprintf(line, sizeof line, "%s %s\n", how, whom);
    if (file >= 0) {
        if (write(file, line, length) != length) abort();
        close(file);
    }
    return 1;
}

static int is_own_name(const char *name) {
    char own[256] = "";
    return gethostname(own, sizeof own - 1) == 0 && strcmp(name, own) == 0;
}

static int is_own_address(const char *text) {
    struct ifaddrs *all = NULL;
    char own[INET6_ADDRSTRLEN];
    int found = 0;
    if (getifaddrs(&all)) return 0;
    for (struct ifaddrs *each = all; each && !found; each = each->ifa_next) {
        if (!each->ifa_addr || (each->ifa_addr->sa_family != AF_INET && each->ifa_addr->sa_family != AF_INET6)) continue;
        const void *address = each->ifa_addr->sa_family == AF_INET
                                  ? (const void *)&((struct sockaddr_in *)each->ifa_addr)->sin_addr
                                  : (const void *)&((struct sockaddr_in6 *)each->ifa_addr)->sin6_addr;
        inet_ntop(each->ifa_addr->sa_family, address, own, sizeof own);
        found = strcmp(text, own) == 0 || (strncmp(text, "::ffff:", 7) == 0 && strcmp(text + 7, own) == 0);
    }
    freeifaddrs(all);
    return found;
}

/* These return whether another machine is meant. */
static int note_name(const char *name) {
    unsigned char address[sizeof(struct in6_addr)];
    if (name && *name && strcmp(name, "localhost") && !inet_pton(AF_INET, name, address) && !inet_pton(AF_INET6, name, address))
        return note("looked up", name) && !is_own_name(name);
    return 0;
}

/* An address is another machine's unless it is this one's loopback. Connecting a datagram socket sends nothing. */
static int note_address(const char *how, const struct sockaddr *address) {
    char text[INET6_ADDRSTRLEN + 8] = "";
    if (address && address->sa_family == AF_INET) {
        const struct sockaddr_in *four = (const struct sockaddr_in *)address;
        if ((ntohl(four->sin_addr.s_addr) >> 24) != 127 && four->sin_addr.s_addr != INADDR_ANY)
            inet_ntop(AF_INET, &four->sin_addr, text, sizeof text);
    } else if (address && address->sa_family == AF_INET6) {
        const struct in6_addr *six = &((const struct sockaddr_in6 *)address)->sin6_addr;
        if (!IN6_IS_ADDR_LOOPBACK(six) && !IN6_IS_ADDR_UNSPECIFIED(six) && !(IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127))
            inet_ntop(AF_INET6, six, text, sizeof text);
    }
    return *text && note(how, text) && !is_own_address(text);
}

static int is_datagram(int socket) {
    int kind = 0;
    socklen_t size = sizeof kind;
    return getsockopt(socket, SOL_SOCKET, SO_TYPE, &kind, &size) == 0 && kind == SOCK_DGRAM;
}

static int note_sent(int socket, const struct sockaddr *address) {
    struct sockaddr_storage peer;
    socklen_t size = sizeof peer;
    if (!is_datagram(socket)) return 0;
    if (!address && getpeername(socket, (struct sockaddr *)&peer, &size) == 0) address = (const struct sockaddr *)&peer;
    return note_address("sent to", address);
}

static int refused(void) {
    errno = ENETUNREACH;
    return -1;
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    if (note_name(name)) return EAI_FAIL;
    return NEXT(getaddrinfo)(name, service, hints, found);
}

struct hostent *gethostbyname(const char *name) {
    if (note_name(name)) return h_errno = HOST_NOT_FOUND, NULL;
    return NEXT(gethostbyname)(name);
}

int gethostbyname_r(const char *name, struct hostent *host, char *buffer, size_t size, struct hostent **found, int *error) {
    if (note_name(name)) return *found = NULL, *error = HOST_NOT_FOUND, ENOENT;
    return NEXT(gethostbyname_r)(name, host, buffer, size, found, error);
}

int connect(int socket, const struct sockaddr *address, socklen_t size) {
    if (!is_datagram(socket) && note_address("connected to", address)) return refused();
    return NEXT(connect)(socket, address, size);
}

ssize_t send(int socket, const void *bytes, size_t size, int flags) {
    if (note_sent(socket, NULL)) return refused();
    return NEXT(send)(socket, bytes, size, flags);
}

ssize_t sendto(int socket, const void *bytes, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
    if (note_sent(socket, to)) return refused();
    return NEXT(sendto)(socket, bytes, size, flags, to, length);
}

ssize_t sendmsg(int socket, const struct msghdr *message, int flags) {
    if (note_sent(socket, message->msg_name)) return refused();
    return NEXT(sendmsg)(socket, message, flags);
}

int sendmmsg(int socket, struct mmsghdr *messages, unsigned int count, int flags) {
    if (count && note_sent(socket, messages->msg_hdr.msg_name)) return refused();
    return NEXT(sendmmsg)(socket, messages, count, flags);
}
