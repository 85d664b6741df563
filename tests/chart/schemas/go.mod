module endpoints.dev/tests/chart/schemas

go 1.26.0
