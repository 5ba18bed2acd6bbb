// Throws and catches as a C++ compiler writes them (legacy form), with the few functions of a C++ runtime that these
// use: every exception is caught by catch (...), so there are no types to match.
extern "C" {
struct {
  int lpad;
  void *lsda;
  int selector;
} __wasm_lpad_context;
int _Unwind_CallPersonality(void *) { return __wasm_lpad_context.selector = 1, 0; }
int __gxx_personality_wasm0() { return 0; }
void *__cxa_begin_catch(void *p) { return p; }
void __cxa_end_catch() {}
}
namespace std {
void terminate() noexcept { __builtin_trap(); }
}
extern "C" void __clang_call_terminate(void *) { __builtin_trap(); }

static int thrown, destroyed;

struct Guard {
  int n;
  Guard(int n) : n(n) {}
  ~Guard() { destroyed += n; }
};

__attribute__((noinline)) static void thrower(int x) {
  if (x % 3 == 0) __builtin_wasm_throw(0, &thrown);
}

__attribute__((noinline)) static int deep(int n, int x) {
  Guard g(n);
  if (n == 0)
    thrower(x);
  else
    deep(n - 1, x);
  return n;
}

// Every third round is thrown through 20 frames with destructors.
extern "C" __attribute__((export_name("frames"))) int frames(int n) {
  int sum = 0;
  destroyed = 0;
  for (int i = 0; i < n; i++) {
    try {
      sum += deep(20, i);
    } catch (...) {
      sum += 1000;
    }
  }
  return sum + destroyed;
}

extern "C" __attribute__((export_name("nested"))) int nested(int n) {
  int sum = 0;
  for (int i = 0; i < n; i++) {
    try {
      try {
        thrower(i);
        sum++;
      } catch (...) {
        sum += 10;
        thrower(i / 3);
        sum += 7;
      }
    } catch (...) {
      sum += 100;
    }
  }
  return sum;
}

extern "C" __attribute__((export_name("uncaught"))) int uncaught(int n) {
  thrower(n);
  return 5;
}
