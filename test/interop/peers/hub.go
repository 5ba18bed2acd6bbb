package main

import (
	"context"
	"fmt"

	ispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/registry/remote"
)

// noteType is the artifact that attach attaches.
const noteType = "application/vnd.example.note"

func open(repository string) (*remote.Repository, error) {
	r, err := remote.NewRepository(repository)
	if err != nil {
		return nil, err
	}
	r.PlainHTTP = true
	return r, nil
}

// copyImage copies all that a tag refers to into another repository.
func copyImage(ctx context.Context, from, tag, to string) error {
	src, err := open(from)
	if err != nil {
		return err
	}
	dst, err := open(to)
	if err != nil {
		return err
	}
	d, err := oras.Copy(ctx, src, tag, dst, tag, oras.DefaultCopyOptions)
	if err != nil {
		return err
	}
	fmt.Println(d.Digest)
	return nil
}

// attach makes an artifact refer to a tag and prints its digest.
func attach(ctx context.Context, repository, tag string) error {
	r, err := open(repository)
	if err != nil {
		return err
	}
	subject, err := r.Resolve(ctx, tag)
	if err != nil {
		return err
	}
	d, err := oras.PackManifest(ctx, r, oras.PackManifestVersion1_1, noteType, oras.PackManifestOptions{
		Subject: &subject, ManifestAnnotations: map[string]string{ispec.AnnotationDescription: "a note"},
	})
	if err != nil {
		return err
	}
	fmt.Println(d.Digest)
	return nil
}

// referrers prints what refers to a tag.
func referrers(ctx context.Context, repository, tag string) error {
	r, err := open(repository)
	if err != nil {
		return err
	}
	subject, err := r.Resolve(ctx, tag)
	if err != nil {
		return err
	}
	return r.Referrers(ctx, subject, noteType, func(list []ispec.Descriptor) error {
		for _, d := range list {
			fmt.Println(d.Digest)
		}
		return nil
	})
}
