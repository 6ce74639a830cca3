// The reference sketch for an Arduino Uno: banner, reset cause, telemetry, commands, settings in EEPROM, a watchdog.
//
// It says one JSON object a line, each with "topic", "seq" (from 0 at each start), "ms" (since the start) and "free"
// (bytes of RAM between heap and stack); the banner is plain text. It takes one command a line, as words or as JSON:
//
//     status                      {"do":"status","id":"7"}
//     set interval 500            {"do":"set","key":"interval","value":"500","id":"8"}
//     get name | reset | hang | disconnect
//
// and answers each with {"topic":"answer",...,"do":"set","id":"8","ok":true}; without an id in the command there is
// none in the answer. That is the line protocol of hil's serial link (docs/serial-link.md): it subscribes to "command",
// and a command from there comes as {"topic":"command","payload":{"do":"status","id":"7"}}. Such a one is not obeyed if
// it is retained, or if it comes again ("dup") with the id of the one before.
//
// The mistakes that can be built in, WITH_... and WITHOUT_..., are listed in options.py.
#include <Arduino.h>
#include <avr/eeprom.h>
#include <avr/wdt.h>
#include <util/crc16.h>

#ifndef SKETCH_VERSION
#define SKETCH_VERSION "1.0.0"
#endif

// -- why the chip started ---------------------------------------------------------------------------------------------
//
// Optiboot 4.4, which an Uno is sold with, clears MCUSR before a sketch can read it, and starts the sketch by a watchdog
// reset of its own after an external one. What is left to tell by is RAM: a reset keeps it, power loss does not. So the
// watchdog first interrupts, which leaves a note in RAM, and resets when the time is up once more.

enum Note : uint8_t { RUNNING = 0x5A, HUNG = 0xA5, ASKED = 0x3C };
static const uint32_t KEPT = 0x48494C31;  // 'HIL1'
static uint32_t kept __attribute__((section(".noinit")));
static volatile uint8_t note __attribute__((section(".noinit")));
static uint8_t flags __attribute__((section(".noinit")));

extern "C" void first() __attribute__((naked, used, section(".init3")));
void first() {
  flags = MCUSR;
  MCUSR = 0;
  wdt_disable();
}

static bool asked;

#ifdef WITH_KEPT_NUMBERS
static uint32_t count __attribute__((section(".noinit")));
#else
static uint32_t count;
#endif

static uint8_t cause() {
  uint8_t found = flags;
  if (kept != KEPT) {
    if (found == 0) found = _BV(PORF);
    count = 0;
  } else if (note == HUNG || note == ASKED) {
    found = _BV(WDRF);
  } else if (found == 0 || found == _BV(WDRF)) {
    found = _BV(EXTRF);
  }
  asked = kept == KEPT && note == ASKED;
  kept = KEPT;
  note = RUNNING;
#ifdef WITH_FALSE_CAUSE
  found = _BV(PORF);
#endif
  return found;
}

static const __FlashStringHelper *cause_name(uint8_t found) {
  if (found & _BV(PORF)) return F("PORF");
  if (found & _BV(BORF)) return F("BORF");
  if (found & _BV(WDRF)) return F("WDRF");
  return F("EXTRF");
}

ISR(WDT_vect) { note = HUNG; }

static void watch() {
#ifdef WITHOUT_WATCHDOG
  return;
#endif
  cli();
  wdt_reset();
  WDTCSR = _BV(WDCE) | _BV(WDE);
  WDTCSR = _BV(WDIE) | _BV(WDE) | _BV(WDP2) | _BV(WDP0);  // 0.5 s to the interrupt, another 0.5 s to the reset
  sei();
}

static void feed() {
#ifdef WITHOUT_WATCHDOG
  return;
#endif
  wdt_reset();
  note = RUNNING;
  WDTCSR |= _BV(WDIE);  // the interrupt has cleared it if it has come
}

// -- settings ---------------------------------------------------------------------------------------------------------

struct Settings {
  uint16_t boots;
  uint16_t interval;  // ms between two telemetry messages; 0: none
  char name[17];
  uint8_t check;
};

static Settings settings;
static Settings *const place = reinterpret_cast<Settings *>(0);

static uint8_t check_of(const Settings &of) {
  uint8_t sum = 0xA5;
  for (uint8_t at = 0; at < offsetof(Settings, check); at++)
    sum = _crc_ibutton_update(sum, reinterpret_cast<const uint8_t *>(&of)[at]);
  return sum;
}

static void keep() {
#ifdef WITHOUT_SETTINGS
  return;
#endif
  settings.check = check_of(settings);
  eeprom_update_block(&settings, place, sizeof settings);
}

static void recall() {
  eeprom_read_block(&settings, place, sizeof settings);
  if (settings.check != check_of(settings)) {
    memset(&settings, 0, sizeof settings);
    settings.interval = 1000;
    strcpy_P(settings.name, PSTR("uno"));
  }
  settings.boots++;
  keep();
}

// -- what it says -----------------------------------------------------------------------------------------------------

static uint32_t sequence;

static int room() {
  extern int __heap_start, *__brkval;
  int here;
  return reinterpret_cast<int>(&here) - (__brkval == 0 ? reinterpret_cast<int>(&__heap_start) : reinterpret_cast<int>(__brkval));
}

static void text(const char *of) {
  Serial.print('"');
  for (; *of; of++) {
    if (*of == '"' || *of == '\\') Serial.print('\\');
    Serial.print(*of < ' ' ? '?' : *of);
  }
  Serial.print('"');
}

static void begin(const __FlashStringHelper *topic) {
  Serial.print(F("{\"topic\":\""));
  Serial.print(topic);
  Serial.print(F("\",\"seq\":"));
  Serial.print(sequence++);
  Serial.print(F(",\"ms\":"));
  Serial.print(millis());
  Serial.print(F(",\"free\":"));
  Serial.print(room());
}

static void end() { Serial.println('}'); }

static void about() {
  Serial.print(F(",\"name\":"));
  text(settings.name);
  Serial.print(F(",\"interval\":"));
  Serial.print(settings.interval);
  Serial.print(F(",\"boots\":"));
  Serial.print(settings.boots);
}

// "count" numbers the telemetry messages from 1 at each start.
static void telemetry() {
#ifdef WITH_FOREIGN_TOPIC
  begin(F("somebody/telemetry"));
#else
  begin(F("telemetry"));
#endif
  count++;
  Serial.print(F(",\"count\":"));
#ifdef WITH_REPEATED_NUMBERS
  Serial.print((count + 1) / 2);
#else
  Serial.print(count);
#endif
#ifdef WITH_BROKEN_LINES
  if (count % 4 == 0) {
    Serial.println();
    return;
  }
#endif
#ifndef WITHOUT_FIELDS
  Serial.print(F(",\"a0\":"));
  Serial.print(analogRead(A0));
#endif
#ifdef WITH_ENDLESS_LINE
  Serial.print('}');
#else
  end();
#endif
}

static void subscribe() {
#ifdef WITH_FOREIGN_SUBSCRIPTION
  Serial.println(F("{\"subscribe\":\"#\"}"));
#endif
  Serial.println(F("{\"subscribe\":\"command\"}"));
}

static void goodbye() {
#ifndef WITHOUT_GOODBYE
  Serial.println(F("{\"disconnect\":true}"));
#endif
}

// -- what it is told --------------------------------------------------------------------------------------------------

static char line[208];
static uint8_t length;
static bool too_long;
static char newest[17];  // the id of the newest command

// The text of a member of a flat JSON object, cut off where `into` is full; false if it is not there.
static bool member(const char *key, char *into, uint8_t size) {
  char quoted[12];
  snprintf_P(quoted, sizeof quoted, PSTR("\"%s\""), key);
  const char *at = strstr(line, quoted);
  if (at == NULL) return false;
  at += strlen(quoted);
  while (*at == ' ' || *at == ':') at++;
  bool string = *at == '"';
  if (string) at++;
  uint8_t used = 0;
  while (*at && used + 1 < size && !(string ? *at == '"' : (*at == ',' || *at == '}' || *at == ' '))) {
    if (*at == '\\' && at[1]) at++;
    into[used++] = *at++;
  }
  into[used] = 0;
  return true;
}

static bool word(char *&from, char *into, uint8_t size) {
  while (*from == ' ') from++;
  uint8_t used = 0;
  while (*from && *from != ' ') {
    if (used + 1 < size) into[used++] = *from;
    from++;
  }
  into[used] = 0;
  return used > 0;
}

static const __FlashStringHelper *set(const char *key, const char *value) {
  if (!strcmp_P(key, PSTR("interval"))) {
    char *rest;
    unsigned long number = strtoul(value, &rest, 10);
    if (*value < '0' || *value > '9' || *rest || number > 60000) return F("interval: expected 0 to 60000 ms");
    settings.interval = number;
  } else if (!strcmp_P(key, PSTR("name"))) {
    if (!*value || strlen(value) >= sizeof settings.name) return F("name: expected 1 to 16 characters");
    memset(settings.name, 0, sizeof settings.name);
    strcpy(settings.name, value);
  } else {
    return F("expected key interval or name");
  }
  keep();
  return NULL;
}

static void restart() {
  Serial.flush();
  cli();
  note = ASKED;
  wdt_enable(WDTO_15MS);
  for (;;) {
  }
}

static void hang() {
  Serial.flush();
  for (;;) {
  }
}

static void obey() {
  char what[12] = "", key[10] = "", value[20] = "", id[17] = "";
  if (line[0] == '{') {
    member("do", what, sizeof what);
    member("key", key, sizeof key);
    member("value", value, sizeof value);
    member("id", id, sizeof id);
  } else {
    char *rest = line;
    word(rest, what, sizeof what) && word(rest, key, sizeof key) && word(rest, value, sizeof value);
  }
  bool far = strstr_P(line, PSTR("\"topic\":\"command\"")) != NULL;
#ifndef WITH_RETAINED_COMMANDS
  if (far && strstr_P(line, PSTR("\"retain\":true"))) return;
#endif
#ifndef WITHOUT_DUP_CHECK
  if (far && strstr_P(line, PSTR("\"dup\":true")) && id[0] && !strcmp(id, newest)) return;
#endif
  strcpy(newest, id);
#ifdef WITHOUT_ANSWERS
  if (far) return;
#endif
  bool status = !strcmp_P(what, PSTR("status")), stuck = !strcmp_P(what, PSTR("hang"));
  bool reset = !strcmp_P(what, PSTR("reset")), get = !strcmp_P(what, PSTR("get"));
  bool leave = !strcmp_P(what, PSTR("disconnect"));
#ifdef WITHOUT_RESET_COMMAND
  reset = false;
#endif
  const __FlashStringHelper *wrong = NULL;
  if (!strcmp_P(what, PSTR("set"))) wrong = set(key, value);
  else if (!(status || stuck || reset || get || leave)) wrong = F("expected status, get, set, reset, hang or disconnect");
  begin(F("answer"));
  Serial.print(F(",\"do\":"));
  text(what);
  if (id[0]) {
    Serial.print(F(",\"id\":"));
    text(id);
  }
  if (status || get) about();
  if (wrong) {
    Serial.print(F(",\"ok\":false,\"error\":\""));
    Serial.print(wrong);
    Serial.print('"');
  } else {
    Serial.print(F(",\"ok\":true"));
  }
  end();
  if (leave) goodbye();
  if (reset) restart();
  if (stuck) hang();
}

#ifdef WITH_NOISE_LOCKOUT
static bool deaf;
#endif

static void listen() {
  while (Serial.available()) {
    char next = Serial.read();
#ifdef WITH_NOISE_LOCKOUT
    if (next < 0) deaf = true;
    if (deaf) continue;
#endif
    if (next == '\r') continue;
    if (next != '\n') {
#ifdef WITHOUT_ROOM_CHECK
      if (length >= 96) hang();  // what it writes there, it jumps to
#endif
      if (length + 1U < sizeof line) line[length++] = next;
      else too_long = true;
      continue;
    }
    line[length] = 0;
    if (too_long) {
      begin(F("answer"));
      Serial.print(F(",\"ok\":false,\"error\":\"line too long\""));
      end();
    } else if (length) {
      obey();
    }
    length = 0;
    too_long = false;
  }
}

// -- the program ------------------------------------------------------------------------------------------------------

static uint32_t said;

void setup() {
  uint8_t found = cause();
#ifdef WITHOUT_COLD_START
  if (found & _BV(PORF)) hang();
#endif
  Serial.begin(115200);
  recall();
  Serial.print(F("hil-uno " SKETCH_VERSION " reset MCUSR=0x0"));
  Serial.print(found, HEX);
  Serial.print(F(" ("));
  Serial.print(cause_name(found));
  Serial.println(')');
  begin(F("boot"));
  Serial.print(F(",\"version\":\"" SKETCH_VERSION "\",\"reset\":\""));
  Serial.print(cause_name(found));
  Serial.print(F("\",\"asked\":"));
  Serial.print(asked ? F("true") : F("false"));
  about();
  end();
  subscribe();
#ifdef WITH_EARLY_GOODBYE
  goodbye();
#endif
  watch();
}

static uint32_t pause() {
#ifdef WITH_SLOW_TELEMETRY
  return 3UL * settings.interval;
#endif
#ifdef WITH_LONG_SILENCES
  if (count % 4 == 2) return settings.interval + 8000UL;
#endif
  return settings.interval;
}

void loop() {
  feed();
  listen();
  if (settings.interval && millis() - said >= pause()) {
    said = millis();
    telemetry();
  }
}
