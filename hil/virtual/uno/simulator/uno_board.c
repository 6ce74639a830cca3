/*
 * An Arduino Uno but for the silicon: an ATmega328P of libsimavr at 16 MHz, with what surrounds it on the board.
 *
 * Copyright the maintainers of hil.
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * This program is free software: you can redistribute it and/or modify it under the terms of the GNU General Public
 * License as published by the Free Software Foundation, either version 3 of the License, or (at your option) any later
 * version. It is distributed WITHOUT ANY WARRANTY; see <https://www.gnu.org/licenses/>.
 *
 * It links libsimavr (GPL-3) and is a program of its own: hil starts it, and talks to it over two pipes.
 *
 *     uno_board FLASH EEPROM [SPEED]
 *
 * FLASH (32768 bytes) and EEPROM (1024 bytes) are files that are mapped: what the chip writes lies in them at once, so
 * that it survives whatever end this process finds. SPEED: how many times faster than a real board (1).
 *
 * A message on standard input or output is a type byte, a length (16 bits, little-endian), and that many bytes.
 *
 *     in:  D data     bytes for RXD, sent on the wire at the host's rate
 *          B rate     the host's baud rate, 32 bits, little-endian
 *          P on       the supply: 1 on, 0 off
 *          X          RESET is pulled low for a moment
 *     out: D data     bytes from TXD, as a receiver at the host's rate reads them
 *          S flags    the chip starts: MCUSR as it is then
 *          O          the supply is gone
 *
 * What libsimavr 1.6 leaves out and is done here: MCUSR (flags gather until they are cleared by writing 0; ATmega328P
 * data sheet, 11.9.1), SRAM that an external reset keeps and a power-on leaves at random, BOOTRST with a boot section of
 * 512 bytes that is locked against writing (the fuses and lock bits of an Uno), and a wire with a baud rate.
 */
#define _GNU_SOURCE /* ppoll */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <simavr/avr_eeprom.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_io.h>

enum { FLASH_BYTES = 32768, EEPROM_BYTES = 1024, BOOT = 0x7E00, BOOT_BYTES = 512 };
enum { MCUSR = 0x54, UCSR0A = 0xC0, UBRR0L = 0xC4, UBRR0H = 0xC5, U2X0 = 1 << 1 };  /* data addresses */
enum { PORF = 1, EXTRF = 2, WDRF = 8 };
enum { F_CPU = 16000000, QUEUE = 1 << 16 };
#define BATCH_NS 1000000L        /* how much of the chip's time runs between two looks at the pipes */
#define LAG_NS 200000000L        /* later than this, the time that was lost is not caught up with */

static avr_t *chip;
static avr_irq_t *uart;
static uint8_t boot[BOOT_BYTES], flags, queue[QUEUE], sent[4096];
static unsigned head, tail, unsent;
static uint32_t host_rate = 115200;
static int powered, restarted, wire_busy, out;

static void die(const char *what) {
    fprintf(stderr, "uno_board: %s: %s\n", what, strerror(errno));
    exit(1);
}

static void tell(char type, const uint8_t *data, unsigned size) {
    uint8_t message[3 + sizeof sent] = {(uint8_t)type, size & 0xFF, size >> 8};
    memcpy(message + 3, data, size);
    for (unsigned done = 0; done < size + 3;) {
        ssize_t count = write(out, message + done, size + 3 - done);
        if (count < 0 && errno != EINTR) exit(0); /* whoever started this is gone */
        if (count > 0) done += (unsigned)count;
    }
}

static void tell_sent(void) {
    if (unsent) tell('D', sent, unsent);
    unsent = 0;
}

/* Map a file of the right size; one page more of nothing behind it, where libsimavr looks past the end of flash. */
static uint8_t *map(const char *path, size_t size) {
    struct stat about;
    int file = open(path, O_RDWR);
    if (file < 0 || fstat(file, &about) < 0) die(path);
    if (about.st_size != (off_t)size) {
        fprintf(stderr, "uno_board: %s has %lld bytes, expected %zu\n", path, (long long)about.st_size, size);
        exit(1);
    }
    uint8_t *place = mmap(NULL, size + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED || mmap(place, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, 0) == MAP_FAILED)
        die(path);
    close(file);
    return place;
}

/* -- the wire ------------------------------------------------------------------------------------------------------ */

static uint32_t chip_rate(void) {
    unsigned divisor = (chip->data[UBRR0L] | (chip->data[UBRR0H] & 0x0F) << 8) + 1;
    return F_CPU / ((chip->data[UCSR0A] & U2X0 ? 8 : 16) * divisor);
}

/* What a receiver at one rate reads of a byte sent at another: it looks at the middle of where it takes each bit to be. */
static uint8_t heard(uint8_t byte, uint32_t sender, uint32_t receiver) {
    uint8_t value = 0;
    for (unsigned bit = 0; bit < 8; bit++) {
        uint64_t at = (uint64_t)(3 + 2 * bit) * sender / (2 * (uint64_t)receiver); /* in the sender's bits; 0: start */
        unsigned level = at == 0 ? 0 : at > 8 ? 1 : byte >> (at - 1) & 1;
        value |= (uint8_t)(level << bit);
    }
    return value;
}

static void on_sent(avr_irq_t *irq, uint32_t value, void *unused) {
    (void)irq, (void)unused;
    sent[unsent++] = heard((uint8_t)value, chip_rate(), host_rate);
    if (unsent == sizeof sent) tell_sent();
}

static avr_cycle_count_t arrive(avr_t *avr, avr_cycle_count_t when, void *unused) {
    (void)avr, (void)unused;
    avr_raise_irq(uart + UART_IRQ_INPUT, heard(queue[tail++ % QUEUE], host_rate, chip_rate()));
    wire_busy = head != tail;
    return wire_busy ? when + 10ULL * F_CPU / host_rate : 0;
}

static void send_on(void) {
    if (!powered || wire_busy || head == tail) return;
    wire_busy = 1;
    avr_cycle_timer_register(chip, 10ULL * F_CPU / host_rate, arrive, NULL);
}

/* -- supply and reset ---------------------------------------------------------------------------------------------- */

static void on_mcusr(avr_t *avr, avr_io_addr_t address, uint8_t value, void *unused) {
    (void)unused;
    flags &= value;
    avr->data[address] = flags;
}

static void on_reset(avr_t *avr) {
    (void)avr;
    restarted = 1;
}

static void started(uint8_t cause) {
    restarted = 0;
    flags |= cause;
    chip->data[MCUSR] = flags;
    wire_busy = 0; /* its timer went with the reset; bytes on their way are lost on a real wire, and go on here */
    tell_sent();
    tell('S', &flags, 1);
}

static void power(int on) {
    if (on == powered) return;
    powered = on;
    head = tail = 0;
    if (!on) {
        tell_sent();
        tell('O', NULL, 0);
        return;
    }
    for (unsigned at = 0x100; at <= chip->ramend; at++) chip->data[at] = (uint8_t)(random() >> 7);
    flags = 0;
    avr_reset(chip);
    started(PORF);
}

static void reset(void) {
    if (!powered) return;
    avr_reset(chip);
    started(EXTRF);
}

/* -- the pipes ----------------------------------------------------------------------------------------------------- */

static void obey(uint8_t type, const uint8_t *data, unsigned size) {
    uint32_t rate;
    switch (type) {
    case 'D':
        for (unsigned at = 0; powered && at < size && head - tail < QUEUE; at++) queue[head++ % QUEUE] = data[at];
        break;
    case 'B':
        if (size != 4) break;
        rate = data[0] | data[1] << 8 | data[2] << 16 | (uint32_t)data[3] << 24;
        if (rate >= 50 && rate <= 4000000) host_rate = rate;
        break;
    case 'P':
        power(size == 1 && data[0]);
        break;
    case 'X':
        reset();
        break;
    default:
        fprintf(stderr, "uno_board: no message %#x\n", type);
        exit(1);
    }
}

static void take_orders(void) {
    static uint8_t buffer[1 << 17];
    static unsigned kept;
    ssize_t count = read(0, buffer + kept, sizeof buffer - kept);
    if (count == 0) exit(0);
    if (count < 0) {
        if (errno == EINTR || errno == EAGAIN) return;
        die("standard input");
    }
    kept += (unsigned)count;
    unsigned at = 0;
    while (kept - at >= 3) {
        unsigned size = buffer[at + 1] | buffer[at + 2] << 8;
        if (kept - at < 3 + size) break;
        obey(buffer[at], buffer + at + 3, size);
        at += 3 + size;
    }
    memmove(buffer, buffer + at, kept -= at);
}

/* -- running ------------------------------------------------------------------------------------------------------- */

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void no_sleep(avr_t *avr, avr_cycle_count_t cycles) { (void)avr, (void)cycles; }

static void no_log(avr_t *avr, const int level, const char *format, va_list words) {
    (void)avr;
    if (level <= LOG_ERROR) vfprintf(stderr, format, words);
}

static void run_until(avr_cycle_count_t end) {
    while (chip->cycle < end) {
        if (chip->state == cpu_Done || chip->state == cpu_Crashed) {
            chip->cycle = end; /* asleep for good, or lost: until the next reset */
            return;
        }
        if (chip->state == cpu_Running && chip->flash[chip->pc] == 0xFF && chip->flash[chip->pc + 1] == 0xFF) {
            /* Blank flash: to the silicon an instruction without effect, to libsimavr an error. */
            chip->pc = (chip->pc + 2) % FLASH_BYTES;
            chip->cycle++;
            continue;
        }
        avr_run(chip);
        if (restarted) started(WDRF); /* nobody here did it */
    }
    if (memcmp(chip->flash + BOOT, boot, BOOT_BYTES)) memcpy(chip->flash + BOOT, boot, BOOT_BYTES);
}

static void set_up(const char *flash, const char *eeprom) {
    avr_global_logger_set(no_log);
    chip = avr_make_mcu_by_name("atmega328p");
    if (chip == NULL) {
        fprintf(stderr, "uno_board: this libsimavr has no atmega328p\n");
        exit(1);
    }
    avr_init(chip);
    chip->frequency = F_CPU;
    chip->vcc = chip->avcc = chip->aref = 5000;
    chip->sleep = no_sleep;
    chip->log = LOG_ERROR;
    uint8_t *mapped = map(flash, FLASH_BYTES);
    memcpy(mapped + FLASH_BYTES, chip->flash + FLASH_BYTES, 2); /* the opcode that marks the end */
    chip->flash = mapped;
    memcpy(boot, mapped + BOOT, BOOT_BYTES);
    for (avr_io_t *part = chip->io_port; part; part = part->next)
        if (part->kind && !strcmp(part->kind, "eeprom")) ((avr_eeprom_t *)part)->eeprom = map(eeprom, EEPROM_BYTES);
    chip->codeend = FLASH_BYTES - 1;
    chip->reset_pc = chip->pc = BOOT;
    chip->reset = on_reset;
    uint32_t quiet = 0;
    avr_ioctl(chip, AVR_IOCTL_UART_SET_FLAGS('0'), &quiet);
    uart = avr_io_getirq(chip, AVR_IOCTL_UART_GETIRQ('0'), 0);
    avr_irq_register_notify(uart + UART_IRQ_OUTPUT, on_sent, NULL);
    avr_register_io_write(chip, MCUSR, on_mcusr, NULL);
}

int main(int count, char **words) {
    double speed = count > 3 ? atof(words[3]) : 1.0;
    if (count < 3 || count > 4 || !(speed > 0)) {
        fprintf(stderr, "usage: uno_board FLASH EEPROM [SPEED]\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    out = dup(1);
    if (out < 0 || dup2(2, 1) < 0) die("standard output"); /* libsimavr prints there */
    srandom((unsigned)(now() ^ getpid()));
    set_up(words[1], words[2]);
    avr_cycle_count_t cycles = (avr_cycle_count_t)(speed * F_CPU * BATCH_NS / 1e9);
    long long due = now();
    for (;;) {
        struct pollfd orders = {.fd = 0, .events = POLLIN};
        long long left = powered ? due - now() : -1;
        struct timespec wait = {0, left > 0 ? (long)left : 0};
        int there = ppoll(&orders, 1, powered ? &wait : NULL, NULL);
        if (there > 0) take_orders();
        if (!powered) {
            due = now();
            continue;
        }
        send_on();
        if (now() < due) continue;
        run_until(chip->cycle + (cycles ? cycles : 1));
        tell_sent();
        due += BATCH_NS;
        if (now() - due > LAG_NS) due = now();
    }
}
