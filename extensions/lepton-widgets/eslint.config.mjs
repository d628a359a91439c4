import eslint from '@eslint/js';
import { defineConfig } from 'eslint/config';
import tseslint from 'typescript-eslint';

export default defineConfig(eslint.configs.recommended, {
  files: ['src/**/*.ts'],
  extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
  languageOptions: { parserOptions: { projectService: true } },
  rules: {
    eqeqeq: 'error',
    'max-lines': ['error', 300],
    'max-lines-per-function': ['error', 50],
    'no-restricted-syntax': [
      'error',
      {
        // Names of runs and metrics come from a person: they reach the page as text, never as markup.
        selector: 'MemberExpression[property.name=/^((inner|outer)HTML|insertAdjacentHTML)$/]',
        message: 'Build nodes with textContent, so that text stays text.'
      }
    ],
    '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }]
  }
});
