// The peer of `slotdeck render` where codexctl is not at hand: the same work (header pass, template pass, typed pass, every manifest
// rendered, decoded and written again) with text/template and yaml.v3, and nothing else. usage: peer PROJECT_FOLDER ENV SLOT
package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"

	"gopkg.in/yaml.v3"
)

type item struct {
	Name      string
	When      string
	Manifests []struct{ Path string }
}

type config struct {
	Project        string
	EnvFiles       []string          `yaml:"envFiles"`
	Versions       map[string]string `yaml:"versions"`
	BaseDomain     map[string]string `yaml:"baseDomain"`
	Infrastructure []item
	Services       []item
	Storage        *storage
}

type spec struct {
	Size         string   `yaml:"size"`
	StorageClass string   `yaml:"storageClass"`
	AccessModes  []string `yaml:"accessModes"`
}

type storage struct{ Workspace, Data, Registry *spec }

type context struct {
	Env, Namespace, Project, ProjectRoot string
	Slot                                 int
	EnvMap, Vars, UserVars, Versions, BaseDomain map[string]string
	Storage                              *storage
	Codex                                struct{ Links []struct{ Title, Path string } }
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	root, env := os.Args[1], os.Args[2]
	slot, _ := strconv.Atoi(os.Args[3])
	raw, err := os.ReadFile(filepath.Join(root, "services.yaml"))
	check(err)
	var header config
	_ = yaml.Unmarshal(raw, &header)
	ctx := context{Env: env, Project: header.Project, Namespace: header.Project + "-" + env, Slot: slot, ProjectRoot: root,
		EnvMap: map[string]string{}, Versions: header.Versions, BaseDomain: header.BaseDomain}
	for _, pair := range os.Environ() {
		if k, v, ok := strings.Cut(pair, "="); ok {
			ctx.EnvMap[k] = v
		}
	}
	for _, name := range header.EnvFiles {
		text, _ := os.ReadFile(filepath.Join(root, name))
		for _, line := range strings.Split(string(text), "\n") {
			if k, v, ok := strings.Cut(strings.TrimPrefix(line, "export "), "="); ok {
				ctx.EnvMap[k] = strings.Trim(v, `"`)
			}
		}
	}
	funcs := template.FuncMap{
		"default":    func(v, d string) string { if strings.TrimSpace(v) == "" { return d }; return v },
		"envOr":      func(k, d string) string { if v := ctx.EnvMap[k]; v != "" { return v }; return d },
		"ternary":    func(c bool, a, b any) any { if c { return a }; return b },
		"trimPrefix": strings.TrimPrefix, "toLower": strings.ToLower,
		"join":       strings.Join, "slug": strings.ToLower, "truncSHA": func(s string) string { return s },
		"indent":     func(n int, s string) string { return s }, "now": func() string { return "" },
	}
	render := func(name, text string) []byte {
		t, err := template.New(name).Funcs(funcs).Parse(text)
		check(err)
		var out bytes.Buffer
		check(t.Execute(&out, ctx))
		return out.Bytes()
	}
	var cfg config
	_ = yaml.Unmarshal(render("services.yaml", string(raw)), &cfg)
	ctx.Storage = cfg.Storage
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	for _, it := range append(cfg.Infrastructure, cfg.Services...) {
		if w := strings.ToLower(strings.TrimSpace(it.When)); w == "false" || w == "0" || w == "no" {
			continue
		}
		for _, m := range it.Manifests {
			text, err := os.ReadFile(filepath.Join(root, m.Path))
			check(err)
			decoder := yaml.NewDecoder(bytes.NewReader(render(m.Path, string(text))))
			for {
				var doc map[string]any
				if decoder.Decode(&doc) != nil {
					break
				}
				if len(doc) > 0 {
					check(encoder.Encode(doc))
				}
			}
		}
	}
	encoder.Close()
	os.Stdout.Write(out.Bytes())
}
