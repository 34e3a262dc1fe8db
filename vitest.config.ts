import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    environment: "node",
    globalSetup: ["test/support/postgres-global.ts"],
    // Tests start real servers and encoders: more than two at once only makes each of them slow.
    maxWorkers: 2,
    testTimeout: 20_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/e2e/**", "test/image/**"],
          sequence: { groupOrder: 0 }
        }
      },
      {
        extends: true,
        // Whole programs that encode: after everything else has ended.
        test: {
          name: "e2e",
          include: ["test/e2e/**/*.test.ts"],
          testTimeout: 300_000,
          hookTimeout: 300_000,
          sequence: { groupOrder: 1 }
        }
      },
      {
        extends: true,
        // Minutes long, and for machines that can build images: by itself, `npm run test:image`.
        test: { name: "image", include: ["test/image/**/*.test.ts"], testTimeout: 600_000, sequence: { groupOrder: 2 } }
      }
    ]
  }
})
