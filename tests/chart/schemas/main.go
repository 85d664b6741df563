// Writes a JSON Schema for each kind of Kubernetes, as kubeconform looks for them, from the API
// description that lies in Kubernetes' own source. Unknown fields are refused: a mistyped field would
// otherwise be dropped by the API server without a word.
//
//	schemas SWAGGER.json FOLDER
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

type schema = map[string]any

const prefix = "#/definitions/"

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: schemas SWAGGER.json FOLDER")
	}
	written, err := write(os.Args[1], os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%d schemas\n", written)
}

func write(swagger, folder string) (int, error) {
	text, err := os.ReadFile(swagger)
	if err != nil {
		return 0, err
	}
	var description struct {
		Definitions map[string]schema `json:"definitions"`
	}
	if err := json.Unmarshal(text, &description); err != nil {
		return 0, err
	}
	definitions := description.Definitions
	for _, definition := range definitions {
		strict(definition)
	}
	written := 0
	for name, definition := range definitions {
		for _, kind := range kinds(definition) {
			whole := schema{"$ref": prefix + name, "definitions": reachable(definitions, name)}
			text, err := json.Marshal(whole)
			if err != nil {
				return 0, err
			}
			if err := os.WriteFile(filepath.Join(folder, kind), text, 0o644); err != nil {
				return 0, err
			}
			written++
		}
	}
	return written, nil
}

// The file names under which kubeconform looks for a definition: kind, group's first part, version.
func kinds(definition schema) []string {
	var names []string
	list, _ := definition["x-kubernetes-group-version-kind"].([]any)
	for _, entry := range list {
		entry := entry.(schema)
		group, _, _ := strings.Cut(entry["group"].(string), ".")
		if group != "" {
			group = "-" + group
		}
		names = append(names, fmt.Sprintf("%s%s-%s.json", strings.ToLower(entry["kind"].(string)), group, entry["version"]))
	}
	return names
}

func strict(value any) {
	switch value := value.(type) {
	case schema:
		if _, ok := value["properties"]; ok && value["additionalProperties"] == nil {
			value["additionalProperties"] = false
		}
		// A number or a text; the description calls it a text.
		if value["format"] == "int-or-string" {
			delete(value, "format")
			value["type"] = []any{"string", "integer"}
		}
		for _, inner := range value {
			strict(inner)
		}
	case []any:
		for _, inner := range value {
			strict(inner)
		}
	}
}

func reachable(definitions map[string]schema, name string) map[string]schema {
	found := map[string]schema{}
	var visit func(value any)
	visit = func(value any) {
		switch value := value.(type) {
		case schema:
			if reference, ok := value["$ref"].(string); ok {
				name := strings.TrimPrefix(reference, prefix)
				if _, seen := found[name]; !seen {
					found[name] = definitions[name]
					visit(definitions[name])
				}
			}
			for _, inner := range value {
				visit(inner)
			}
		case []any:
			for _, inner := range value {
				visit(inner)
			}
		}
	}
	visit(schema{"$ref": prefix + name})
	return found
}
