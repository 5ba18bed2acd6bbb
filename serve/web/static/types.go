package static

import (
	"path"
	"strings"
)

// typeOf is the media type of a file by its name: the same on every system. What is
// not known is bytes.
func typeOf(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t := textType(ext); t != "" {
		return t + "; charset=utf-8"
	}
	if t := otherType(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// textType are types with a character set, which is UTF-8.
func textType(ext string) string {
	switch ext {
	case ".html", ".htm":
		return "text/html"
	case ".css":
		return "text/css"
	case ".js", ".mjs", ".cjs":
		return "text/javascript"
	case ".txt", ".text", ".log", ".ini", ".conf":
		return "text/plain"
	case ".md", ".markdown":
		return "text/markdown"
	case ".csv":
		return "text/csv"
	case ".tsv":
		return "text/tab-separated-values"
	case ".xml", ".xsl", ".xsd":
		return "text/xml"
	case ".vtt":
		return "text/vtt"
	case ".ics":
		return "text/calendar"
	case ".vcf":
		return "text/vcard"
	case ".yaml", ".yml":
		return "application/yaml"
	}
	return ""
}

func otherType(ext string) string {
	switch ext {
	case ".json", ".map":
		return "application/json"
	case ".webmanifest":
		return "application/manifest+json"
	case ".jsonld":
		return "application/ld+json"
	case ".geojson":
		return "application/geo+json"
	case ".ipynb":
		return "application/x-ipynb+json"
	case ".wasm":
		return "application/wasm"
	case ".pdf":
		return "application/pdf"
	case ".atom":
		return "application/atom+xml"
	case ".rss":
		return "application/rss+xml"
	case ".xhtml":
		return "application/xhtml+xml"
	case ".rtf":
		return "application/rtf"
	case ".epub":
		return "application/epub+zip"
	case ".docx":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	case ".xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	case ".pptx":
		return "application/vnd.openxmlformats-officedocument.presentationml.presentation"
	case ".parquet":
		return "application/vnd.apache.parquet"
	}
	if t := mediaType(ext); t != "" {
		return t
	}
	return archiveType(ext)
}

func archiveType(ext string) string {
	switch ext {
	case ".zip":
		return "application/zip"
	case ".gz", ".tgz":
		return "application/gzip"
	case ".zst":
		return "application/zstd"
	case ".bz2":
		return "application/x-bzip2"
	case ".xz":
		return "application/x-xz"
	case ".7z":
		return "application/x-7z-compressed"
	case ".tar":
		return "application/x-tar"
	}
	return ""
}

// mediaType are pictures, sounds, films and fonts.
func mediaType(ext string) string {
	switch ext {
	case ".svg":
		return "image/svg+xml"
	case ".png", ".apng":
		return "image/png"
	case ".jpg", ".jpeg":
		return "image/jpeg"
	case ".gif":
		return "image/gif"
	case ".webp":
		return "image/webp"
	case ".avif":
		return "image/avif"
	case ".jxl":
		return "image/jxl"
	case ".ico":
		return "image/vnd.microsoft.icon"
	case ".bmp":
		return "image/bmp"
	case ".tif", ".tiff":
		return "image/tiff"
	case ".mp3":
		return "audio/mpeg"
	case ".m4a", ".aac":
		return "audio/mp4"
	case ".ogg", ".oga", ".opus":
		return "audio/ogg"
	case ".wav":
		return "audio/wav"
	case ".flac":
		return "audio/flac"
	case ".mp4", ".m4v":
		return "video/mp4"
	case ".webm":
		return "video/webm"
	case ".ogv":
		return "video/ogg"
	case ".mov":
		return "video/quicktime"
	case ".m3u8":
		return "application/vnd.apple.mpegurl"
	case ".ts":
		return "video/mp2t"
	case ".woff2":
		return "font/woff2"
	case ".woff":
		return "font/woff"
	case ".ttf":
		return "font/ttf"
	case ".otf":
		return "font/otf"
	case ".glb":
		return "model/gltf-binary"
	case ".gltf":
		return "model/gltf+json"
	}
	return ""
}

// packs tells types that become smaller when they are packed.
func packs(contentType string) bool {
	t, _, _ := strings.Cut(contentType, ";")
	switch {
	case strings.HasPrefix(t, "text/"), strings.HasSuffix(t, "+xml"), strings.HasSuffix(t, "json"):
		return true
	}
	switch t {
	case "application/yaml", "application/wasm", "application/x-tar", "application/rtf", "font/ttf", "font/otf",
		"image/vnd.microsoft.icon", "image/bmp", "application/vnd.apple.mpegurl":
		return true
	}
	return false
}

// named tells files whose names change with what they hold, as bundlers write them:
// app.3f2a9c1b.js, and in a folder for that, assets/index-DiwrgTda.js.
func named(name string) bool {
	base := strings.TrimSuffix(path.Base(name), ".map")
	ext := path.Ext(base)
	if ext == "" || ext == ".html" {
		return false
	}
	base = strings.TrimSuffix(base, ext)
	if i := strings.LastIndexAny(base, ".-_"); i >= 0 && hexDigest(base[i+1:]) {
		return true
	}
	if len(base) < 9 || base[len(base)-9] != '-' && base[len(base)-9] != '.' {
		return false
	}
	return bundled(name) && mixed(base[len(base)-8:])
}

// hexDigest tells a digest in hexadecimal; a date, or a word, is none.
func hexDigest(s string) bool {
	digits, letters := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case 'a' <= c && c <= 'f':
			letters++
		default:
			return false
		}
	}
	return digits > 0 && letters > 0 && len(s) >= 8
}

// bundled tells files in folders that bundlers write.
func bundled(name string) bool {
	for part := range strings.SplitSeq(path.Dir(name), "/") {
		switch part {
		case "assets", "immutable", "chunks", "_astro", "_nuxt":
			return true
		}
	}
	return false
}

// mixed tells letters and digits as in base64: two kinds of three at least, and no
// word with a capital.
func mixed(s string) bool {
	upper, lower, digit := 0, 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digit++
		case 'a' <= c && c <= 'z':
			lower++
		case 'A' <= c && c <= 'Z', c == '_', c == '-':
			if i > 0 {
				upper++
			}
		default:
			return false
		}
	}
	return upper > 0 && lower > 0 || digit > 0 && upper+lower > 0
}
