package python

import "testing"

// TestInstalled checks where a stage's packages are found.
func TestInstalled(t *testing.T) {
	in, err := readInstalled(stage(t, map[string]string{
		ownModules + "/onnxruntime-1.18.0.dist-info/METADATA":     "Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.18.0\n",
		ownModules + "/wherry.py":                                 "",
		SitePackages + "/python_slugify-8.0.4.dist-info/METADATA": "Metadata-Version: 2.1\nName: python-slugify\nVersion: 8.0.4\n",
		SitePackages + "/broken-1.dist-info/METADATA":             "nothing",
	}, "numpy==2.5.2"))
	if err != nil {
		t.Fatal(err)
	}
	for name, inBase := range map[string]bool{"numpy": true, "onnxruntime": true, "python-slugify": false} {
		if d, ok := in[name]; !ok || d.InBase != inBase {
			t.Errorf("%s: %v, %v", name, d, ok)
		}
	}
	if len(in) != 3 {
		t.Errorf("%v", in.names())
	}
}
