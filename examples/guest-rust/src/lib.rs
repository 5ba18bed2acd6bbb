//! A model: it takes a text apart into sentences, and gives each as it is found.
mod wherry;

use wherry::{Error, Parts, Request, Tensor};

struct Sentences;

impl wherry::Model for Sentences {
    const SIGNATURE: &'static str = r#"{"name": "sentences", "streams": true,
        "inputs": [
            {"name": "text", "datatype": "BYTES", "shape": [1], "parameters": {"kind": "text"}},
            {"name": "most", "datatype": "INT64", "shape": [1], "parameters": {"optional": true, "minimum": 1, "description": "sentences that are wanted"}}
        ],
        "outputs": [
            {"name": "sentence", "datatype": "BYTES", "shape": [1], "parameters": {"kind": "text"}},
            {"name": "words", "datatype": "INT32", "shape": [1]}
        ]}"#;

    fn load() -> Self {
        Sentences
    }

    fn predict(&mut self, request: &Request, parts: &mut Parts) -> Result<Vec<Tensor>, Error> {
        let texts = request.input("text").ok_or_else(|| Error::input("text", "it is needed"))?.texts();
        let most = request.input("most").map_or(i64::MAX, |t| t.i64s()[0]);
        let text = texts.first().map_or("", |t| t.as_str());
        if text.trim().is_empty() {
            return Err(Error::input("text", "it is empty"));
        }
        let mut given = 0;
        for sentence in text.split_inclusive(['.', '!', '?']).map(str::trim).filter(|s| !s.is_empty()) {
            if given == most {
                break;
            }
            given += 1;
            let words = sentence.split_whitespace().count() as i32;
            let part = vec![Tensor::of_texts("sentence", &[1], &[sentence]), Tensor::of_i32s("words", &[1], &[words])];
            if !parts.emit(part) {
                break; // nobody wants any more
            }
        }
        Ok(Vec::new())
    }
}

wherry::serve!(Sentences);
