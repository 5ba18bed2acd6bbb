//! Has a Rust program answer requests of Wherry. Copy it into a crate of your own, whose
//! `[lib]` has `crate-type = ["cdylib"]`: it needs nothing but the standard library.
//!
//! A type that implements `Model` is the model, and `wherry::serve!(Type)` exports it.
//! A panic ends the instance, and the request fails; the next one has a new instance.
#![allow(dead_code)]

/// What answers requests.
pub trait Model {
    /// What it takes and gives: the metadata document of the Open Inference Protocol. With
    /// `"streams": true` it gives its answer in parts, and outputs are those of a part.
    const SIGNATURE: &'static str;

    /// Makes it, once, before the first request.
    fn load() -> Self;

    /// Answers a request. Of a model that streams, what it returns is the last part, if
    /// anything.
    fn predict(&mut self, request: &Request, parts: &mut Parts) -> Result<Vec<Tensor>, Error>;
}

/// A refused request.
pub enum Error {
    /// The fault is the input's, or with "" the request's.
    Input { input: String, reason: String },
    /// The model's own.
    Model(String),
}

impl Error {
    pub fn input(input: &str, reason: &str) -> Error {
        Error::Input { input: input.into(), reason: reason.into() }
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(e: E) -> Error {
        Error::Model(e.to_string())
    }
}

/// A tensor has its elements row by row and little-endian; an element of BYTES is its
/// length in 4 bytes, and then itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensor {
    pub name: String,
    pub datatype: String,
    pub shape: Vec<i64>,
    pub data: Vec<u8>,
}

macro_rules! numbers {
    ($($kind:ty, $datatype:literal, $of:ident, $to:ident;)*) => {
        impl Tensor {
            $(
                pub fn $of(name: &str, shape: &[i64], values: &[$kind]) -> Tensor {
                    Tensor::of(name, $datatype, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
                }

                pub fn $to(&self) -> Vec<$kind> {
                    self.data.chunks_exact(std::mem::size_of::<$kind>()).map(|b| <$kind>::from_le_bytes(b.try_into().unwrap())).collect()
                }
            )*
        }
    };
}

numbers! {
    f32, "FP32", of_f32s, f32s;
    f64, "FP64", of_f64s, f64s;
    i32, "INT32", of_i32s, i32s;
    i64, "INT64", of_i64s, i64s;
    u8, "UINT8", of_u8s, u8s;
}

impl Tensor {
    pub fn of(name: &str, datatype: &str, shape: &[i64], data: Vec<u8>) -> Tensor {
        Tensor { name: name.into(), datatype: datatype.into(), shape: shape.into(), data }
    }

    pub fn of_texts(name: &str, shape: &[i64], texts: &[&str]) -> Tensor {
        let mut data = Vec::new();
        for t in texts {
            data.extend((t.len() as u32).to_le_bytes());
            data.extend(t.as_bytes());
        }
        Tensor::of(name, "BYTES", shape, data)
    }

    /// The elements of BYTES; what is no UTF-8 in them is replaced.
    pub fn texts(&self) -> Vec<String> {
        let (mut found, mut rest) = (Vec::new(), &self.data[..]);
        while rest.len() >= 4 {
            let (head, tail) = rest.split_at(4);
            let (text, tail) = tail.split_at((u32::from_le_bytes(head.try_into().unwrap()) as usize).min(tail.len()));
            found.push(String::from_utf8_lossy(text).into_owned());
            rest = tail;
        }
        found
    }
}

/// The inputs that were given, and the names of the outputs that are wanted: none are all.
#[derive(Debug, Default)]
pub struct Request {
    pub id: String,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<String>,
}

impl Request {
    pub fn input(&self, name: &str) -> Option<&Tensor> {
        self.inputs.iter().find(|t| t.name == name)
    }
}

/// Takes parts of an answer.
pub struct Parts {
    wanted: bool,
}

impl Parts {
    /// Hands on a part; false when nobody wants any more.
    pub fn emit(&mut self, outputs: Vec<Tensor>) -> bool {
        if self.wanted {
            let part = frame(&outputs);
            self.wanted = unsafe { emit(part.as_ptr(), part.len()) } == 0;
        }
        self.wanted
    }
}

#[link(wasm_import_module = "wherry_model")]
extern "C" {
    fn emit(at: *const u8, size: usize) -> i32;
}

/// What a model keeps between calls.
pub struct Served<M> {
    model: Option<M>,
    room: Vec<u128>, // a request begins at a multiple of 16
    answer: Vec<u8>,
}

impl<M: Model> Served<M> {
    pub const fn new() -> Self {
        Served { model: None, room: Vec::new(), answer: Vec::new() }
    }

    pub fn load(&mut self) {
        self.model.get_or_insert_with(M::load);
    }

    pub fn alloc(&mut self, size: usize) -> *mut u8 {
        self.room.resize(size / 16 + 1, 0);
        self.room.as_mut_ptr().cast()
    }

    pub fn predict(&mut self, size: usize) -> u64 {
        let asked = unsafe { std::slice::from_raw_parts(self.room.as_ptr().cast(), size.min(self.room.len() * 16)) };
        let mut parts = Parts { wanted: true };
        let model = self.model.get_or_insert_with(M::load);
        let answer = match json::request(asked) {
            Some(request) => model.predict(&request, &mut parts),
            None => Err(Error::input("", "the request cannot be read")),
        };
        self.answer = match answer {
            Ok(outputs) => frame(&outputs),
            Err(Error::Model(reason)) => headed(format!("{{\"error\":{}}}", json::quoted(&reason))),
            Err(Error::Input { input, reason }) => headed(format!("{{\"error\":{},\"input\":{}}}", json::quoted(&reason), json::quoted(&input))),
        };
        place(self.answer.as_ptr(), self.answer.len())
    }
}

/// Where bytes are, as the host wants to know it.
pub fn place(at: *const u8, size: usize) -> u64 {
    (at as usize as u64) << 32 | size as u64
}

/// The beginning of a frame.
fn headed(text: String) -> Vec<u8> {
    let mut out = (text.len() as u32).to_le_bytes().to_vec();
    out.extend(text.into_bytes());
    out
}

/// What the host reads of outputs.
fn frame(outputs: &[Tensor]) -> Vec<u8> {
    let list: Vec<String> = outputs
        .iter()
        .map(|t| {
            format!(
                "{{\"name\":{},\"datatype\":{},\"shape\":{:?},\"parameters\":{{\"binary_data_size\":{}}}}}",
                json::quoted(&t.name),
                json::quoted(&t.datatype),
                t.shape,
                t.data.len()
            )
        })
        .collect();
    let mut out = headed(format!("{{\"outputs\":[{}]}}", list.join(",")));
    for t in outputs {
        out.extend(&t.data);
    }
    out
}

/// Exports a model.
#[macro_export]
macro_rules! serve {
    ($model:ty) => {
        static mut SERVED: $crate::wherry::Served<$model> = $crate::wherry::Served::new();

        /// The model; the host calls one function at a time.
        fn served() -> &'static mut $crate::wherry::Served<$model> {
            unsafe { &mut *std::ptr::addr_of_mut!(SERVED) }
        }

        extern "C" {
            fn __wasm_call_ctors(); // of the C library; the linker has each export call it otherwise
        }

        #[no_mangle]
        pub extern "C" fn _initialize() {
            unsafe { __wasm_call_ctors() };
            served().load();
        }

        #[no_mangle]
        pub extern "C" fn wherry_signature() -> u64 {
            let text = <$model as $crate::wherry::Model>::SIGNATURE;
            $crate::wherry::place(text.as_ptr(), text.len())
        }

        #[no_mangle]
        pub extern "C" fn wherry_alloc(size: usize) -> *mut u8 {
            served().alloc(size)
        }

        #[no_mangle]
        pub extern "C" fn wherry_predict(_at: *const u8, size: usize) -> u64 {
            served().predict(size)
        }
    };
}
pub(crate) use serve;

/// JSON, as far as the host writes it.
mod json {
    use super::{Request, Tensor};

    pub fn quoted(text: &str) -> String {
        let mut out = String::from("\"");
        for c in text.chars() {
            match c {
                '"' | '\\' => out.extend(['\\', c]),
                c if c < ' ' => out += &format!("\\u{:04x}", c as u32),
                c => out.push(c),
            }
        }
        out + "\""
    }

    /// A request, of a frame.
    pub fn request(frame: &[u8]) -> Option<Request> {
        let size = u32::from_le_bytes(frame.get(..4)?.try_into().ok()?) as usize;
        let mut r = Reader { text: frame.get(4..4 + size)?, at: 0 };
        let mut data = &frame[4 + size..];
        let mut found = Request::default();
        r.object(|r, key| {
            match key {
                "id" => found.id = r.string()?,
                "inputs" => r.list(|r| {
                    let (tensor, size) = r.tensor()?;
                    found.inputs.push(Tensor { data: data.get(..size)?.to_vec(), ..tensor });
                    data = &data[size..];
                    Some(())
                })?,
                "outputs" => r.list(|r| {
                    r.object(|r, key| {
                        if key == "name" {
                            found.outputs.push(r.string()?);
                            return Some(());
                        }
                        r.skip()
                    })
                })?,
                _ => r.skip()?,
            }
            Some(())
        })?;
        Some(found)
    }

    struct Reader<'a> {
        text: &'a [u8],
        at: usize,
    }

    impl Reader<'_> {
        /// The next byte that is no space.
        fn peek(&mut self) -> Option<u8> {
            while self.text.get(self.at)?.is_ascii_whitespace() {
                self.at += 1;
            }
            Some(self.text[self.at])
        }

        fn take(&mut self, c: u8) -> Option<bool> {
            let is = self.peek()? == c;
            self.at += is as usize;
            Some(is)
        }

        fn list(&mut self, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
            self.sequence(b'[', b']', |r| each(r))
        }

        fn object(&mut self, mut each: impl FnMut(&mut Self, &str) -> Option<()>) -> Option<()> {
            self.sequence(b'{', b'}', |r| {
                let key = r.string()?;
                r.take(b':')?.then_some(())?;
                each(r, &key)
            })
        }

        fn sequence(&mut self, begin: u8, end: u8, mut each: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
            self.take(begin)?.then_some(())?;
            if self.take(end)? {
                return Some(());
            }
            loop {
                each(self)?;
                if self.take(end)? {
                    return Some(());
                }
                self.take(b',')?.then_some(())?;
            }
        }

        fn string(&mut self) -> Option<String> {
            self.take(b'"')?.then_some(())?;
            let mut out = Vec::new();
            loop {
                let c = *self.text.get(self.at)?;
                self.at += 1;
                match c {
                    b'"' => return String::from_utf8(out).ok(),
                    b'\\' => {
                        let c = self.escaped()?;
                        out.extend(c.encode_utf8(&mut [0; 4]).bytes());
                    }
                    c => out.push(c),
                }
            }
        }

        fn escaped(&mut self) -> Option<char> {
            let c = *self.text.get(self.at)?;
            self.at += 1;
            Some(match c {
                b'n' => '\n',
                b't' => '\t',
                b'r' => '\r',
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'u' => match self.hex()? {
                    high @ 0xd800..=0xdbff if self.text.get(self.at..self.at + 2)? == b"\\u" => {
                        self.at += 2;
                        char::from_u32(0x10000 + ((high - 0xd800) << 10) + self.hex()?.checked_sub(0xdc00)?)?
                    }
                    c => char::from_u32(c)?,
                },
                c => c as char,
            })
        }

        fn hex(&mut self) -> Option<u32> {
            let digits = std::str::from_utf8(self.text.get(self.at..self.at + 4)?).ok()?;
            self.at += 4;
            u32::from_str_radix(digits, 16).ok()
        }

        fn integer(&mut self) -> Option<i64> {
            self.peek()?;
            let from = self.at;
            while self.text.get(self.at).map_or(false, |c| c.is_ascii_digit() || *c == b'-') {
                self.at += 1;
            }
            std::str::from_utf8(&self.text[from..self.at]).ok()?.parse().ok()
        }

        /// Goes past a value, whatever it is.
        fn skip(&mut self) -> Option<()> {
            match self.peek()? {
                b'"' => self.string().map(drop),
                b'[' => self.list(|r| r.skip()),
                b'{' => self.object(|r, _| r.skip()),
                _ => {
                    while self.text.get(self.at).map_or(false, |c| !b",]} ".contains(c)) {
                        self.at += 1;
                    }
                    Some(())
                }
            }
        }

        /// A tensor without its data, and how many bytes they are.
        fn tensor(&mut self) -> Option<(Tensor, usize)> {
            let (mut t, mut size) = (Tensor::default(), 0);
            self.object(|r, key| {
                match key {
                    "name" => t.name = r.string()?,
                    "datatype" => t.datatype = r.string()?,
                    "shape" => r.list(|r| {
                        t.shape.push(r.integer()?);
                        Some(())
                    })?,
                    "parameters" => r.object(|r, key| {
                        if key == "binary_data_size" {
                            size = r.integer()? as usize;
                            return Some(());
                        }
                        r.skip()
                    })?,
                    _ => r.skip()?,
                }
                Some(())
            })?;
            Some((t, size))
        }
    }
}
