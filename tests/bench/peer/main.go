// The peer of `slotdeck render` where codexctl is not at hand: the same work with text/template and yaml.v3, and nothing else. Header
// pass, template pass, typed pass, then every manifest rendered, decoded, given its namespace, image and claims, and written again.
// tests/bench/run compares its output with ours. usage: peer PROJECT_FOLDER ENV SLOT
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"gopkg.in/yaml.v3"
)

type mount struct {
	Name      string `yaml:"name"`
	ClaimName string `yaml:"claimName"`
	MountPath string `yaml:"mountPath"`
	SubPath   string `yaml:"subPath"`
	ReadOnly  bool   `yaml:"readOnly"`
}

type overlay struct {
	DropKinds []string `yaml:"dropKinds"`
	PVCMounts []mount  `yaml:"pvcMounts"`
}

type item struct {
	Name      string
	When      string
	Manifests []struct{ Path string }
	Image     struct {
		Repository  string `yaml:"repository"`
		TagTemplate string `yaml:"tagTemplate"`
	}
	Overlays map[string]overlay
}

type spec struct {
	Size         string   `yaml:"size"`
	StorageClass string   `yaml:"storageClass"`
	AccessModes  []string `yaml:"accessModes"`
}

type storage struct{ Workspace, Data, Registry *spec }

type codex struct {
	Links []struct{ Title, Path string }
}

type config struct {
	Project        string
	EnvFiles       []string `yaml:"envFiles"`
	Namespace      struct{ Patterns map[string]string }
	Versions       map[string]string
	BaseDomain     map[string]string `yaml:"baseDomain"`
	Codex          codex
	Infrastructure []item
	Services       []item
	Storage        *storage
}

type context struct {
	Env, Namespace, Project, ProjectRoot         string
	Slot                                         int
	EnvMap, Vars, UserVars, Versions, BaseDomain map[string]string
	Storage                                      *storage
	Codex                                        codex
}

var clusterKinds = []string{"Namespace", "ClusterRole", "ClusterRoleBinding", "PersistentVolume", "ClusterIssuer", "StorageClass"}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func readEnvFile(path string, env map[string]string) {
	text, _ := os.ReadFile(path)
	for _, line := range strings.Split(string(text), "\n") {
		if k, v, ok := strings.Cut(strings.TrimPrefix(line, "export "), "="); ok && !strings.HasPrefix(line, "#") {
			env[k] = os.Expand(strings.Trim(v, `"`), func(name string) string { return env[name] })
		}
	}
}

var notWord = regexp.MustCompile(`[^a-z0-9]+`)

func functions(env map[string]string) template.FuncMap {
	return template.FuncMap{
		"default": func(v, d string) string {
			if strings.TrimSpace(v) == "" {
				return d
			}
			return v
		},
		"envOr": func(k, d string) string {
			if v := env[k]; v != "" {
				return v
			}
			return d
		},
		"ternary": func(c bool, a, b any) any {
			if c {
				return a
			}
			return b
		},
		"trimPrefix": strings.TrimPrefix, "toLower": strings.ToLower, "join": strings.Join,
		"slug":     func(s string) string { return strings.Trim(notWord.ReplaceAllString(strings.ToLower(s), "-"), "-") },
		"truncSHA": func(s string) string { return s[:min(len(s), 12)] },
		"indent":   func(n int, s string) string { return strings.ReplaceAll(s, "\n", "\n"+strings.Repeat(" ", n)) },
		"now":      func() string { return "" },
	}
}

func childMap(parent map[string]any, key string) map[string]any {
	child, ok := parent[key].(map[string]any)
	if !ok {
		child = map[string]any{}
		parent[key] = child
	}
	return child
}

// The entries of a list that none of the mounts names.
func others(list any, mounts []mount) []any {
	kept := []any{}
	entries, _ := list.([]any)
	for _, entry := range entries {
		name, _ := entry.(map[string]any)["name"].(string)
		if !slices.ContainsFunc(mounts, func(m mount) bool { return m.Name == name }) {
			kept = append(kept, entry)
		}
	}
	return kept
}

func containers(pod map[string]any, key string) []map[string]any {
	found := []map[string]any{}
	entries, _ := pod[key].([]any)
	for _, entry := range entries {
		if c, ok := entry.(map[string]any); ok {
			found = append(found, c)
		}
	}
	return found
}

func mountInto(container map[string]any, mounts []mount) {
	list := others(container["volumeMounts"], mounts)
	for _, m := range mounts {
		made := map[string]any{"name": m.Name, "mountPath": m.MountPath}
		if m.SubPath != "" {
			made["subPath"] = m.SubPath
		}
		if m.ReadOnly {
			made["readOnly"] = true
		}
		list = append(list, made)
	}
	container["volumeMounts"] = list
}

func editPod(pod map[string]any, image string, mounts []mount) {
	main, initial := containers(pod, "containers"), containers(pod, "initContainers")
	if len(main) == 0 {
		return
	}
	if image != "" {
		old := main[0]["image"]
		main[0]["image"] = image
		for _, c := range initial {
			if c["image"] == nil || c["image"] == old {
				c["image"] = image
			}
		}
	}
	if len(mounts) > 0 {
		volumes := others(pod["volumes"], mounts)
		for _, m := range mounts {
			volumes = append(volumes, map[string]any{"name": m.Name, "persistentVolumeClaim": map[string]any{"claimName": m.ClaimName}})
		}
		pod["volumes"] = volumes
		mountInto(main[0], mounts)
		for _, c := range initial {
			mountInto(c, mounts)
		}
	}
}

// False: the overlay drops the object.
func edit(object map[string]any, it *item, o overlay, image, namespace string) bool {
	kind, _ := object["kind"].(string)
	if slices.Contains(o.DropKinds, kind) {
		return false
	}
	metadata := childMap(object, "metadata")
	if own, _ := metadata["namespace"].(string); own == "" && !slices.Contains(clusterKinds, kind) {
		metadata["namespace"] = namespace
	}
	if kind == "Deployment" && metadata["name"] == it.Name {
		editPod(childMap(childMap(childMap(object, "spec"), "template"), "spec"), image, o.PVCMounts)
	}
	return true
}

func main() {
	root, env := os.Args[1], os.Args[2]
	slot, _ := strconv.Atoi(os.Args[3])
	raw, err := os.ReadFile(filepath.Join(root, "services.yaml"))
	check(err)
	var header config
	_ = yaml.Unmarshal(raw, &header)
	ctx := context{Env: env, Project: header.Project, Slot: slot, ProjectRoot: root, EnvMap: map[string]string{}, Versions: header.Versions,
		BaseDomain: header.BaseDomain}
	for _, pair := range os.Environ() {
		if k, v, ok := strings.Cut(pair, "="); ok {
			ctx.EnvMap[k] = v
		}
	}
	for _, name := range header.EnvFiles {
		readEnvFile(filepath.Join(root, name), ctx.EnvMap)
	}
	funcs := functions(ctx.EnvMap)
	render := func(name, text string) string {
		t, err := template.New(name).Funcs(funcs).Parse(text)
		check(err)
		var out bytes.Buffer
		check(t.Execute(&out, ctx))
		return out.String()
	}
	ctx.Namespace = render("namespace", header.Namespace.Patterns[env])
	for name, domain := range ctx.BaseDomain {
		ctx.BaseDomain[name] = render("baseDomain", domain)
	}
	var cfg config
	check(yaml.Unmarshal([]byte(render("services.yaml", string(raw))), &cfg))
	ctx.Storage, ctx.Codex, ctx.Versions, ctx.BaseDomain = cfg.Storage, cfg.Codex, cfg.Versions, cfg.BaseDomain
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	ninfra := len(cfg.Infrastructure)
	for i, it := range append(cfg.Infrastructure, cfg.Services...) {
		if w := strings.ToLower(strings.TrimSpace(render("when", it.When))); w == "false" || w == "0" || w == "no" {
			continue
		}
		for _, m := range it.Manifests {
			text, err := os.ReadFile(filepath.Join(root, m.Path))
			check(err)
			decoder := yaml.NewDecoder(strings.NewReader(render(m.Path, string(text))))
			for {
				var object map[string]any
				if err := decoder.Decode(&object); errors.Is(err, io.EOF) {
					break
				} else {
					check(err)
				}
				if len(object) == 0 {
					continue
				}
				image := strings.TrimSpace(it.Image.Repository)
				if image != "" {
					image += ":" + strings.TrimSpace(render("tag", it.Image.TagTemplate))
				}
				if i < ninfra || edit(object, &it, it.Overlays[env], image, ctx.Namespace) {
					check(encoder.Encode(object))
				}
			}
		}
	}
	encoder.Close()
	os.Stdout.Write(out.Bytes())
}
