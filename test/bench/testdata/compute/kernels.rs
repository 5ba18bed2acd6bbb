//! Kernels for BenchmarkKernels as Rust makes them: indices that are checked, slices,
//! iterators, and what the core library has of sorting and text.
#![no_std]
#![no_main]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! {
    core::arch::wasm32::unreachable()
}

struct Noise(u32);

impl Noise {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1664525).wrapping_add(1013904223);
        self.0 >> 8
    }
}

fn mix(hash: u32, word: u32) -> u32 {
    (hash ^ word).wrapping_mul(16777619)
}

const N: usize = 4096;

#[no_mangle]
pub extern "C" fn rust_sort(n: u32) -> u32 {
    let mut list = [0u32; N];
    let mut hash = 1;
    for round in 0..n {
        let mut noise = Noise(round);
        list.fill_with(|| noise.next());
        list.sort_unstable();
        hash = list.iter().step_by(64).fold(hash, |h, &w| mix(h, w));
    }
    hash
}

const SIDE: usize = 64;

fn multiply(c: &mut [f64], a: &[f64], b: &[f64], side: usize) {
    for i in 0..side {
        for j in 0..side {
            let mut s = 0.0;
            for k in 0..side {
                s += a[i * side + k] * b[k * side + j];
            }
            c[i * side + j] = s;
        }
    }
}

#[no_mangle]
pub extern "C" fn rust_matmul(n: u32) -> u32 {
    let mut noise = Noise(3);
    let mut a = [0f64; SIDE * SIDE];
    let mut b = [0f64; SIDE * SIDE];
    let mut c = [0f64; SIDE * SIDE];
    a.fill_with(|| noise.next() as f64);
    b.fill_with(|| 1.0 / (1.0 + noise.next() as f64));
    for round in 0..n as usize {
        multiply(&mut c, &a, &b, core::hint::black_box(SIDE));
        a[round % (SIDE * SIDE)] += 1.0;
    }
    c.iter().fold(1, |h, x| mix(mix(h, x.to_bits() as u32), (x.to_bits() >> 32) as u32))
}

#[no_mangle]
pub extern "C" fn rust_text(n: u32) -> u32 {
    let mut noise = Noise(5);
    let mut bytes = [0u8; 1 << 14];
    let mut at = 0;
    while at + 4 < bytes.len() {
        let c = ['a', 'e', ' ', 'ß', '\n', '€', '7', '😀'][(noise.next() & 7) as usize];
        at += c.encode_utf8(&mut bytes[at..]).len();
    }
    let mut hash = 1;
    for _ in 0..n {
        let Ok(text) = core::str::from_utf8(core::hint::black_box(&bytes[..at])) else { return 0 };
        for line in text.lines() {
            let (mut letters, mut width) = (0u32, 0u32);
            for c in line.chars() {
                letters += c.is_alphabetic() as u32;
                width += c.len_utf8() as u32;
            }
            hash = mix(hash, letters << 16 | width);
        }
    }
    hash
}
