package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
)

// member is one file of an archive.
type member struct {
	name string
	mode int64
	data []byte
}

// archive packs a release as its platform expects: .zip for Windows, .tar.gz
// elsewhere.
func archive(r release) (string, []byte, error) {
	folder := fmt.Sprintf("wherry-%s-%s-%s", r.version, r.target.os, r.target.arch)
	members := []member{
		{folder + "/LICENSE", 0o644, r.license},
		{folder + "/README.md", 0o644, r.readme},
		{folder + "/" + r.target.program(), 0o755, r.program},
		{folder + "/" + r.target.companion(), 0o755, r.companion},
	}
	if r.target.os == "windows" {
		data, err := zipped(members)
		return folder + ".zip", data, err
	}
	data, err := tarred(folder, members)
	return folder + ".tar.gz", data, err
}

func tarred(folder string, members []member) ([]byte, error) {
	var out bytes.Buffer
	zw, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	tw := tar.NewWriter(zw)
	if err := tw.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: 0o755, ModTime: epoch, Format: tar.FormatUSTAR}); err != nil {
		return nil, err
	}
	for _, m := range members {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: m.name, Mode: m.mode, Size: int64(len(m.data)), ModTime: epoch, Format: tar.FormatUSTAR}
		if err := tw.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := tw.Write(m.data); err != nil {
			return nil, err
		}
	}
	if err := tw.Close(); err != nil {
		return nil, err
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func zipped(members []member) ([]byte, error) {
	var out bytes.Buffer
	zw := zip.NewWriter(&out)
	for _, m := range members {
		h := &zip.FileHeader{Name: m.name, Method: zip.Deflate}
		// The old fields alone: a time stamp of the extended kind would be in
		// the time zone of who reads it.
		h.ModifiedDate = uint16(epoch.Year()-1980)<<9 | uint16(epoch.Month())<<5 | uint16(epoch.Day()) //nolint:staticcheck // see above
		h.CreatorVersion = 3<<8 | 20                                                                   // Unix, so that the mode counts
		h.ExternalAttrs = uint32(0o100000|m.mode) << 16
		w, err := zw.CreateHeader(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(m.data); err != nil {
			return nil, err
		}
	}
	if err := zw.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
