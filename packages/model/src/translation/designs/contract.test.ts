import { describeDesign } from './contract.case.ts';
import { designs } from './index.ts';

for (const design of designs) describeDesign(design);
